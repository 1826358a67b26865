package io.ruvector.lake;

import io.ruvector.DeadlineExceededException;
import io.ruvector.RuVectorException.Code;
import io.ruvector.index.BatchResult;
import io.ruvector.index.Hit;
import io.ruvector.index.IdFilter;
import io.ruvector.index.IndexKind;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.Metric;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.SearchResult;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import io.ruvector.internal.AsyncCall;
import io.ruvector.internal.AsyncCall.Body;
import io.ruvector.internal.Cancellation;
import io.ruvector.internal.Checks;
import io.ruvector.internal.IndexAccess;
import io.ruvector.internal.NativeBundle;
import io.ruvector.internal.NativeLake;
import io.ruvector.internal.NativeLake.Look;
import io.ruvector.internal.NativeLake.NativeTarget;
import io.ruvector.internal.NativeLake.Observed;
import io.ruvector.internal.NativeLake.Token;
import io.ruvector.internal.NativePull;
import io.ruvector.internal.SearchPool;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One search over vectors in many places: collections of backends, each pulled once into a cache
 * that is as fast as a local index, and kept as new as its {@link Consistency} asks.
 *
 * {@snippet lang=java :
 * try (var lake = RuLake.builder().build();
 *     var memory = LocalBackend.create("memory")) {
 *   memory.replace("words", Vectors.copyOf(rows), Ids.from(0));
 *   lake.registerBackend(memory);
 *   for (Hit hit : lake.search(Target.of("memory", "words"), query, 10)) {
 *     System.out.println(hit.id() + " " + hit.score());
 *   }
 * }
 * }
 *
 * <p>A search whose collection is cached costs the search of the index and, under {@link
 * Consistency#fresh}, the reading of its backend's generation. One that is not cached is pulled
 * first, once for all that wait for it; where its {@link BackendAdapter} can {@linkplain
 * BackendAdapter#search search} by itself, that answers meanwhile, unless the collection is {@link
 * Consistency#frozen}.
 *
 * <p>Safe for use from many threads. Whoever builds it closes it, which stops pulls that run; the
 * backends stay open.
 */
public final class RuLake implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RuLake.class);
  private static final IndexAccess ACCESS = IndexAccess.get();
  private static final SearchResult NO_HITS = ACCESS.none();

  /** Pulls of a collection whose generation changes meanwhile, before the lake gives up. */
  private static final int PULLS = 5;

  /** Tries of a call whose failures may pass by themselves. */
  private static final int TRIES = 4;

  /** How long a collection that is too large is left to its backend before it is pulled again. */
  private static final long TOO_LARGE_NANOS = 60_000_000_000L;

  /** The pause before the second try; it doubles from then on. */
  private static final long FIRST_PAUSE_MILLIS = 20;

  private final NativeLake lake;
  private final Consistency consistency;
  private final Metric metric;
  private final Executor executor;
  private final @Nullable PrivateKey signingKey;
  private final List<PublicKey> trustedKeys;
  private final Map<String, Optional<BackendAdapter>> backends = new ConcurrentHashMap<>();
  private final Map<Target, Entry> entries = new ConcurrentHashMap<>();

  private RuLake(Builder builder) {
    consistency = builder.consistency;
    metric = builder.options.metric();
    executor = builder.executor;
    signingKey = builder.signingKey;
    trustedKeys = builder.trustedKeys;
    lake =
        NativeLake.create(
            ACCESS.options(builder.kind, builder.options),
            builder.maxCacheEntries,
            builder.maxCacheBytes,
            builder.ivfFrom,
            consistency.trust());
  }

  /** A lake whose parts have their defaults until they are set. */
  public static Builder builder() {
    return new Builder();
  }

  /** Sets what a lake is made of. Not safe for use from many threads. */
  public static final class Builder {
    private IndexKind kind = IndexKind.RABITQ_PLUS;
    private IndexOptions options = IndexOptions.defaults();
    private long ivfFrom;
    private long maxCacheEntries;
    private long maxCacheBytes;
    private Consistency consistency = Consistency.fresh();
    private Executor executor =
        Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("ruvector-lake-", 0).factory());

    private @Nullable PrivateKey signingKey;
    private List<PublicKey> trustedKeys = List.of();

    private Builder() {}

    /** At most this many times k rows are compared exactly; 20 unless set. */
    public Builder rerankFactor(int rerankFactor) {
      options = options.rerankFactor(rerankFactor);
      return this;
    }

    /** The seed of the codes' rotation, which witnesses cover; 42 unless set. */
    public Builder rotationSeed(long rotationSeed) {
      options = options.seed(rotationSeed);
      return this;
    }

    /**
     * How collections are coded; {@link IndexKind#RABITQ_PLUS} with its defaults unless set.
     *
     * @param kind the kind of the cached indexes
     * @param options their options; where originals are kept is the cache's
     */
    public Builder index(IndexKind kind, IndexOptions options) {
      this.kind = kind;
      this.options = options;
      return this;
    }

    /**
     * Codes collections from this number of rows on as {@link IndexKind#IVF}; never unless set.
     *
     * <p>Such an index is searched 2.5 to 7 times as fast as one of {@link IndexKind#RABITQ_PLUS}
     * from 3,000 rows on, the smallest set that was measured, at a recall@10 of about .98, and
     * takes 4 to 13 times as long to build. So it is not the size that decides: it pays where a
     * state of a collection is searched more than some 4,000 to 8,000 times before it is pulled
     * anew. That is what 100,000 clustered rows (0.83 to 1.3 s in place of 0.1 to 0.2 s to build,
     * 34 us in place of 199 us a search) and 300,000 word vectors (2.7 s and 0.6 s, 47 us and 346
     * us) come to, in {@code bench/records} and {@code bench/model/measured.csv}. What changed
     * between two states is taken in alike.
     *
     * @param rows 1 or more
     */
    public Builder ivfFrom(long rows) {
      ivfFrom = positive("rows", rows);
      return this;
    }

    /** How many collections are cached at most; the least recently searched leave first. */
    public Builder maxCacheEntries(long maxCacheEntries) {
      this.maxCacheEntries = positive("maxCacheEntries", maxCacheEntries);
      return this;
    }

    /**
     * How many bytes all cached indexes take at most. While a collection is pulled, its rows and
     * its new index come on top. A collection that is larger by itself is an error, unless its
     * backend can search it by itself, as it does then; it is pulled again a minute later at the
     * earliest.
     */
    public Builder maxCacheBytes(long maxCacheBytes) {
      this.maxCacheBytes = positive("maxCacheBytes", maxCacheBytes);
      return this;
    }

    /** For collections without one of their own; {@link Consistency#fresh} unless set. */
    public Builder consistency(Consistency consistency) {
      this.consistency = consistency;
      return this;
    }

    /** Where pulls of {@link BackendAdapter}s run; a virtual thread for each unless set. */
    public Builder executor(Executor executor) {
      this.executor = executor;
      return this;
    }

    /**
     * Signs each sidecar that is published or saved. The folder must be nobody else's while it is
     * saved to.
     *
     * @param key of Ed25519
     */
    public Builder signingKey(PrivateKey key) {
      signingKey = Objects.requireNonNull(key, "key");
      return this;
    }

    /**
     * Believes no sidecar but one that is signed by one of these keys, and loads no saved index but
     * the one that was signed with it. Any sidecar is believed unless this is set.
     *
     * @param keys of Ed25519, at least one
     */
    public Builder trustedKeys(PublicKey... keys) {
      if (keys.length == 0) {
        throw Checks.illegal("keys", "empty", "1 or more");
      }
      trustedKeys = List.of(keys);
      return this;
    }

    private static long positive(String name, long value) {
      if (value < 1) {
        throw Checks.illegal(name, value, "1 or more");
      }
      return value;
    }

    /**
     * A lake without backends.
     *
     * @throws IllegalArgumentException if the kind does not allow the options
     * @throws io.ruvector.NativeLibraryException if the native library cannot be loaded
     */
    public RuLake build() {
      return new RuLake(this);
    }
  }

  /** What this side knows of one collection. */
  private static final class Entry {
    final Target target;
    final NativeTarget names;
    final Flight flight = new Flight();
    final AtomicBoolean revalidating = new AtomicBoolean();
    private volatile @Nullable Leased leased;
    private boolean retired;

    /** What holds for this collection by itself. */
    volatile @Nullable Consistency consistency;

    /** When a pull of it last exceeded the cache; null if none did. */
    volatile @Nullable Long tooLarge;

    Entry(Target target) {
      this.target = target;
      this.names = new NativeTarget(target.backend(), target.collection());
    }

    /** What a look came to; null if it is older than what another thread has seen by now. */
    @Nullable Leased accept(Look.Served served, @Nullable Leased known) {
      if (known != null && known.state == served.state()) {
        return known;
      }
      VectorIndex index = served.index() == null ? null : ACCESS.wrap(served.index());
      synchronized (this) {
        Leased current = leased;
        if (retired || (current != null && current.state >= served.state())) {
          if (index != null) {
            index.close();
          }
          return current != null && current.state == served.state() ? current : null;
        }
        Token token = served.generation();
        if (token == null) {
          throw new AssertionError("a new state comes with its generation");
        }
        leased = new Leased(served.state(), index, served.rows(), served.dim(), generation(token));
        if (current != null) {
          current.release();
        }
        return leased;
      }
    }

    /** Gives the memory of what was leased back; the next search leases again. */
    synchronized void release() {
      if (leased != null) {
        leased.release();
        leased = null;
      }
    }

    synchronized void retire() {
      retired = true;
      flight.stop();
      release();
    }
  }

  /** A state of a collection: its rows never change. */
  private static final class Leased {
    final long state;
    final @Nullable VectorIndex index;
    final long rows;
    final int dim;
    final Generation generation;
    private int holders = 1;

    Leased(long state, @Nullable VectorIndex index, long rows, int dim, Generation generation) {
      this.state = state;
      this.index = index;
      this.rows = rows;
      this.dim = dim;
      this.generation = generation;
    }

    /** False where the last holder has left already. */
    synchronized boolean hold() {
      if (holders == 0) {
        return false;
      }
      holders++;
      return true;
    }

    synchronized void release() {
      holders--;
      if (holders == 0 && index != null) {
        index.close();
      }
    }
  }

  /** What a search is answered from, and what was known of the generation. */
  record Lease(Leased leased, Observed observed, @Nullable Instant confirmed, boolean stale) {
    void release() {
      leased.release();
    }
  }

  /** The moment at which a call has used its time. */
  private record Deadline(long start, long nanos) {
    static Deadline in(long nanos) {
      return new Deadline(System.nanoTime(), nanos);
    }

    /** What is left of it; 0: no limit. */
    long left() {
      if (nanos == 0) {
        return 0;
      }
      long left = nanos - (System.nanoTime() - start);
      if (left <= 0) {
        throw new DeadlineExceededException(
            "the search took longer than %d ms".formatted(nanos / 1_000_000));
      }
      return left;
    }
  }

  static Token token(Generation generation) {
    return switch (generation) {
      case Generation.Num num -> new Token(null, num.value());
      case Generation.Text text -> new Token(text.value(), 0);
    };
  }

  static Generation generation(Token token) {
    return token.text() == null ? Generation.of(token.number()) : Generation.of(token.text());
  }

  /**
   * Adds a backend.
   *
   * @throws LakeException if there is one of its id
   * @throws IllegalArgumentException if its id is empty or has characters that no name may have
   */
  public synchronized void registerBackend(Backend backend) {
    String id = backend.id();
    Optional<BackendAdapter> adapter =
        backend instanceof BackendAdapter own ? Optional.of(own) : Optional.empty();
    // Before the native side knows of it, so that no search takes it for one of the other kind.
    boolean added = backends.putIfAbsent(id, adapter) == null;
    try {
      switch (backend) {
        case LocalBackend local -> lake.register(local.nativeBackend());
        case FsBackend files -> lake.register(files.nativeBackend());
        case BackendAdapter own -> lake.registerExternal(id);
      }
    } catch (RuntimeException e) {
      if (added) {
        backends.remove(id);
      }
      throw e;
    }
  }

  /**
   * Takes a backend away with all that is cached of it; searches that run go on.
   *
   * @return false if there was none
   */
  public synchronized boolean unregisterBackend(String id) {
    boolean found = lake.unregister(id);
    backends.remove(id);
    entries
        .values()
        .removeIf(
            entry -> {
              boolean gone = entry.target.backend().equals(id);
              if (gone) {
                entry.retire();
              }
              return gone;
            });
    return found;
  }

  /** The ids of all backends, sorted. */
  public List<String> backendIds() {
    return backends.keySet().stream().sorted().toList();
  }

  /**
   * Sets how far one collection may be trusted.
   *
   * @param target the collection, which need not be there yet
   * @param consistency what holds for it; null: what holds for the lake
   * @throws LakeException if there is no such backend
   */
  public void setConsistency(Target target, @Nullable Consistency consistency) {
    Entry entry = entry(target);
    lake.setConsistency(entry.names, consistency == null ? null : consistency.trust());
    entry.consistency = consistency;
  }

  /**
   * The rows of a collection that are nearest to a query.
   *
   * @param target the collection
   * @param query as many components as the collection has
   * @param k how many rows, 1 or more
   * @throws LakeException if there is no such collection, or it is too large for the cache
   * @throws BackendException if its backend failed and nothing cached may stand in for it
   * @throws io.ruvector.index.DimensionMismatchException if the query has another dimension
   * @throws IllegalStateException if the lake is closed
   */
  public LakeResult search(Target target, float[] query, int k) {
    return search(target, SearchRequest.of(query).k(k));
  }

  /**
   * The rows of a collection that are nearest to a query.
   *
   * @param target the collection
   * @param request what to search for; a filter of it is an {@link IdFilter}
   * @throws IllegalArgumentException if its filter is prepared for one index
   * @throws LakeException if there is no such collection, or it is too large for the cache
   * @throws BackendException if its backend failed and nothing cached may stand in for it
   * @throws DeadlineExceededException if the request's time ran out, also in a pull
   * @throws io.ruvector.index.DimensionMismatchException if the query has another dimension
   * @throws IllegalStateException if the lake is closed
   */
  public LakeResult search(Target target, SearchRequest request) {
    checkFilter(request);
    return waiting(
        target,
        ACCESS.timeoutNanos(request),
        (cancellation, left) -> search(target, request, cancellation, Deadline.in(left)));
  }

  private LakeResult search(
      Target target,
      SearchRequest request,
      @Nullable Cancellation cancellation,
      Deadline deadline) {
    BackendAdapter adapter = adapter(target.backend());
    if (adapter != null && isCold(target)) {
      LakeResult pushedDown = pushDown(target, adapter, request);
      if (pushedDown != null) {
        return pushedDown;
      }
    }
    try {
      return answer(
          target,
          cancellation,
          deadline,
          (lease, index) -> searchIn(target, lease, index, request, cancellation, deadline.left()));
    } catch (LakeException e) {
      // It has grown since it was cached.
      LakeResult pushedDown =
          adapter != null && e.code() == Code.BUDGET ? pushDown(target, adapter, request) : null;
      if (pushedDown == null) {
        throw e;
      }
      invalidateCache(target);
      return pushedDown;
    }
  }

  private static LakeResult searchIn(
      Target target,
      Lease lease,
      @Nullable VectorIndex index,
      SearchRequest request,
      @Nullable Cancellation cancellation,
      long nanosLeft) {
    SearchResult hits =
        index == null
            ? ACCESS.none(request, lease.leased.dim)
            : ACCESS.search(index, request, cancellation, nanosLeft);
    return new LakeResult(
        target, hits, lease.leased.generation, lease.confirmed, lease.stale, false);
  }

  private static void checkFilter(SearchRequest request) {
    var _ = ACCESS.filter(request);
  }

  /** Whether nothing is cached that could answer, or is to be the first to do so. */
  private boolean isCold(Target target) {
    Entry entry = entries.get(target);
    if (entry != null && entry.leased != null) {
      return false;
    }
    Consistency own = entry == null ? null : entry.consistency;
    return !(own == null ? consistency : own).isFrozen() && !lake.isCached(names(target));
  }

  /** What a backend finds by itself, while its collection is pulled; null where it cannot. */
  private @Nullable LakeResult pushDown(
      Target target, BackendAdapter adapter, SearchRequest request) {
    IdFilter filter = ACCESS.filter(request);
    Instant asked = Instant.now();
    float[] query = ACCESS.query(request);
    String collection = target.collection();
    Optional<PushedDown> answer =
        call(
            target,
            adapter,
            () ->
                Optional.ofNullable(
                    adapter.search(collection, query, request.k(), filter, metric)));
    if (answer.isEmpty()) {
      return null;
    }
    PushedDown found = answer.get();
    List<Hit> hits =
        found.hits().stream()
            .sorted(Comparator.comparingDouble(Hit::score).thenComparingLong(Hit::id))
            .toList();
    long[] ids = hits.stream().mapToLong(Hit::id).toArray();
    var scores = new float[ids.length];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = hits.get(i).score();
    }
    check(target, request.k(), filter, ids, scores);
    Entry entry = entry(target);
    lake.pushedDown(entry.names);
    Long tooLarge = entry.tooLarge;
    boolean due = tooLarge == null || System.nanoTime() - tooLarge > TOO_LARGE_NANOS;
    if (due && entry.revalidating.compareAndSet(false, true)) {
      var _ =
          pullInBackground(entry, adapter)
              .whenComplete((reached, failure) -> entry.revalidating.set(false));
    }
    return new LakeResult(
        target, ACCESS.result(ids, scores), found.generation(), asked, false, true);
  }

  /** Refuses hits that no search can have. */
  private static void check(Target target, int k, IdFilter filter, long[] ids, float[] scores) {
    String wrong = null;
    if (ids.length > k) {
      wrong = "%d hits for k = %d".formatted(ids.length, k);
    } else if (Arrays.stream(ids).distinct().count() < ids.length) {
      wrong = "an id twice";
    } else if (!Arrays.stream(ids).allMatch(filter::contains)) {
      wrong = "an id that the filter does not allow";
    } else if (scores.length > 0 && Float.isNaN(scores[scores.length - 1])) {
      wrong = "a score that is NaN";
    }
    if (wrong != null) {
      throw new BackendException(target, new IllegalStateException("its search returned " + wrong));
    }
  }

  private CompletableFuture<Observed.At> pullInBackground(Entry entry, BackendAdapter adapter) {
    CompletableFuture<Observed.At> pull;
    try {
      pull = entry.flight.begin(executor, run -> pull(entry, adapter, run));
    } catch (RuntimeException refused) {
      pull = CompletableFuture.failedFuture(refused);
    }
    return pull.whenComplete(
        (reached, failure) -> {
          if (failure != null) {
            LOG.debug("{} could not be pulled", entry.target, failure);
          }
        });
  }

  /**
   * As {@link #search(Target, SearchRequest)}, on the pool of asynchronous searches; over a {@link
   * BackendAdapter} on a virtual thread. Cancelling the future stops the search, and a pull that
   * nobody else waits for.
   *
   * @throws java.util.concurrent.RejectedExecutionException if too many searches are waiting
   */
  public CompletableFuture<LakeResult> searchAsync(Target target, SearchRequest request) {
    checkFilter(request);
    SearchRequest own = ACCESS.detached(request);
    return async(
        target,
        ACCESS.timeoutNanos(request),
        (cancellation, left) -> search(target, own, cancellation, Deadline.in(left)));
  }

  /**
   * The rows of a collection that are nearest to each of many queries, all found in the same state
   * of it, on all threads of the native pool. A {@link BackendAdapter} is pulled for it, whether it
   * can search by itself or not.
   *
   * @param target the collection
   * @param queries the queries, as many components as the collection has
   * @param template how to search
   * @throws LakeException if there is no such collection, or it is too large for the cache
   * @throws BackendException if its backend failed and nothing cached may stand in for it
   */
  public LakeBatchResult searchBatch(Target target, Vectors queries, SearchRequest template) {
    checkFilter(template);
    return waiting(
        target,
        ACCESS.timeoutNanos(template),
        (cancellation, left) ->
            searchBatch(target, queries, template, cancellation, Deadline.in(left)));
  }

  private LakeBatchResult searchBatch(
      Target target,
      Vectors queries,
      SearchRequest template,
      @Nullable Cancellation cancellation,
      Deadline deadline) {
    return answer(
        target,
        cancellation,
        deadline,
        (lease, index) ->
            searchIn(target, lease, index, queries, template, cancellation, deadline.left()));
  }

  private static LakeBatchResult searchIn(
      Target target,
      Lease lease,
      @Nullable VectorIndex index,
      Vectors queries,
      SearchRequest template,
      @Nullable Cancellation cancellation,
      long nanosLeft) {
    BatchResult hits =
        index == null
            ? ACCESS.none(queries, template, lease.leased.dim)
            : ACCESS.searchBatch(index, queries, template, cancellation, nanosLeft);
    return new LakeBatchResult(target, hits, lease.leased.generation, lease.confirmed, lease.stale);
  }

  /** As {@link #searchBatch}, without waiting; the queries must not change meanwhile. */
  public CompletableFuture<LakeBatchResult> searchBatchAsync(
      Target target, Vectors queries, SearchRequest template) {
    ACCESS.checkShareable(queries);
    checkFilter(template);
    return async(
        target,
        ACCESS.timeoutNanos(template),
        (cancellation, left) ->
            searchBatch(target, queries, template, cancellation, Deadline.in(left)));
  }

  /** A search in what is leased; the index is null where it has no rows. */
  @FunctionalInterface
  private interface Answer<R> {
    R in(Lease lease, @Nullable VectorIndex index);
  }

  private <R> R answer(
      Target target, @Nullable Cancellation cancellation, Deadline deadline, Answer<R> answer) {
    while (true) {
      Lease lease = lease(target, cancellation, deadline);
      VectorIndex index = searched(lease);
      try {
        return answer.in(lease, index);
      } catch (IllegalStateException e) {
        // Another thread has met a newer state meanwhile and closed this one.
        if (index == null || !index.isClosed() || lake.isClosed()) {
          throw e;
        }
      }
    }
  }

  private static @Nullable VectorIndex searched(Lease lease) {
    return lease.leased.rows == 0 ? null : lease.leased.index;
  }

  /** A lease that its caller releases, whatever others meet meanwhile. */
  Lease hold(Target target, SearchRequest request) {
    return waiting(
        target,
        ACCESS.timeoutNanos(request),
        (cancellation, left) -> {
          var deadline = Deadline.in(left);
          while (true) {
            Lease lease = lease(target, cancellation, deadline);
            if (lease.leased.hold()) {
              return lease;
            }
          }
        });
  }

  /** A search in what is held. */
  static LakeResult search(Target target, Lease held, SearchRequest request) {
    checkFilter(request);
    long nanos = ACCESS.timeoutNanos(request);
    return SearchPool.call(() -> searchIn(target, held, searched(held), request, null, nanos));
  }

  /** The same for a batch. */
  static LakeBatchResult searchBatch(
      Target target, Lease held, Vectors queries, SearchRequest template) {
    checkFilter(template);
    long nanos = ACCESS.timeoutNanos(template);
    return SearchPool.call(
        () -> searchIn(target, held, searched(held), queries, template, null, nanos));
  }

  /**
   * A group of searches that finds each collection in one state of it: that which the first of them
   * was answered from.
   */
  public LakeSession session() {
    return new LakeSession(this, null);
  }

  /**
   * The same, which begins from what is saved in a folder, and saves there at its end what was
   * pulled since.
   *
   * @param folder the folder, which is made where there is none
   */
  public LakeSession session(Path folder) {
    return new LakeSession(this, folder);
  }

  private Entry entry(Target target) {
    Entry entry = entries.get(target);
    return entry != null ? entry : entries.computeIfAbsent(target, Entry::new);
  }

  /** For calls that need not remember the names. */
  private NativeTarget names(Target target) {
    Entry entry = entries.get(target);
    return entry != null ? entry.names : new NativeTarget(target.backend(), target.collection());
  }

  private @Nullable BackendAdapter adapter(String backend) {
    Optional<BackendAdapter> adapter = backends.get(backend);
    return adapter == null ? null : adapter.orElse(null);
  }

  /** What a search of a collection is answered from, once that is as new as is asked for. */
  private Lease lease(Target target, @Nullable Cancellation cancellation, Deadline deadline) {
    try {
      BackendAdapter adapter = adapter(target.backend());
      if (adapter != null) {
        return leaseExternal(target, adapter, cancellation, deadline);
      }
      while (true) {
        Entry entry = entry(target);
        Leased known = entry.leased;
        Look look = look(entry, Observed.NOTHING, known, cancellation, deadline);
        if (!(look instanceof Look.Served served)) {
          throw new AssertionError(look);
        }
        Lease lease = accept(entry, served, known, Observed.NOTHING);
        if (lease != null) {
          return lease;
        }
      }
    } catch (LakeException e) {
      if (e.code() == Code.UNKNOWN_BACKEND || e.code() == Code.UNKNOWN_COLLECTION) {
        // Names that are no collections leave nothing behind.
        Entry entry = entries.remove(target);
        if (entry != null) {
          entry.retire();
        }
      }
      throw e;
    }
  }

  private Lease leaseExternal(
      Target target,
      BackendAdapter adapter,
      @Nullable Cancellation cancellation,
      Deadline deadline) {
    long arrived = System.nanoTime();
    Observed observed = Observed.NOTHING;
    BackendException failure = null;
    while (true) {
      Entry entry = entry(target);
      Leased known = entry.leased;
      Look look = look(entry, observed, known, cancellation, deadline);
      if (look instanceof Look.Served served) {
        Lease lease = accept(entry, served, known, observed);
        if (lease != null) {
          return lease;
        }
        continue;
      }
      if (failure != null) {
        throw failure;
      }
      try {
        if (look instanceof Look.NeedsGeneration) {
          observed = observe(target, adapter);
        } else {
          Observed.At pulled =
              entry.flight.await(executor, run -> pull(entry, adapter, run), deadline.left());
          // What was confirmed after this call began is as new as can be asked for.
          observed = pulled.nanoTime() - arrived < 0 ? Observed.NOTHING : pulled;
        }
      } catch (BackendException e) {
        if (e.code() == Code.UNKNOWN_COLLECTION) {
          // Gone, not unreachable: no old state may stand in for it.
          lake.invalidate(entry.names);
          throw e;
        }
        failure = e;
        observed = Observed.FAILURE;
      } catch (CancellationException e) {
        if (lake.isClosed()) {
          throw new IllegalStateException("RuLake is closed", e);
        }
        throw e;
      }
    }
  }

  private Look look(
      Entry entry,
      Observed observed,
      @Nullable Leased known,
      @Nullable Cancellation cancellation,
      Deadline deadline) {
    long state = known == null ? 0 : known.state;
    return lake.look(entry.names, observed, state, cancellation, deadline.left());
  }

  /** Null where another thread has met a newer state: look again. */
  private @Nullable Lease accept(
      Entry entry, Look.Served served, @Nullable Leased known, Observed observed) {
    Leased leased = entry.accept(served, known);
    if (leased == null) {
      return null;
    }
    if (known == null || leased.state != known.state) {
      releaseEvicted();
    }
    if (served.revalidate()) {
      revalidate(entry);
    }
    Instant confirmed = served.ageNanos() < 0 ? null : Instant.now().minusNanos(served.ageNanos());
    return new Lease(leased, observed, confirmed, served.stale());
  }

  /** A new state may have driven others out of the cache, whose memory a lease would keep. */
  private void releaseEvicted() {
    for (Entry entry : entries.values()) {
      if (entry.leased != null && isEvicted(entry)) {
        entry.release();
      }
    }
  }

  private boolean isEvicted(Entry entry) {
    try {
      return !lake.isCached(entry.names);
    } catch (LakeException e) {
      // Its backend is leaving the lake.
      return true;
    }
  }

  /** Brings a collection up to date while nobody waits for it; a failure is the next search's. */
  private void revalidate(Entry entry) {
    if (!entry.revalidating.compareAndSet(false, true)) {
      return;
    }
    BackendAdapter adapter = adapter(entry.target.backend());
    Runnable look =
        () -> {
          CompletableFuture<?> done = CompletableFuture.completedFuture(null);
          try {
            if (adapter == null) {
              lake.prime(entry.names, null, 0);
            } else {
              Observed seen = observe(entry.target, adapter);
              if (lake.look(entry.names, seen, 0, null, 0) instanceof Look.Served served) {
                entry.accept(served, null);
              } else {
                // Not waited for: the executor may have one thread only, which is this one.
                done = pullInBackground(entry, adapter);
              }
            }
          } catch (RuntimeException e) {
            LOG.debug("{} could not be revalidated", entry.target, e);
          }
          var _ = done.whenComplete((pulled, failure) -> entry.revalidating.set(false));
        };
    try {
      if (adapter == null) {
        SearchPool.execute(look);
      } else {
        executor.execute(look);
      }
    } catch (RejectedExecutionException full) {
      entry.revalidating.set(false);
    }
  }

  /** A call of an adapter. */
  @FunctionalInterface
  private interface AdapterCall<R> {
    R call() throws Exception;
  }

  /** Calls an adapter, again where its failure may pass by itself. */
  private static <R> R call(Target target, BackendAdapter adapter, AdapterCall<R> call) {
    long pause = FIRST_PAUSE_MILLIS;
    for (int attempt = 1; ; attempt++) {
      try {
        return call.call();
      } catch (InterruptedException e) {
        throw Cancellation.interrupted(target, e);
      } catch (CancellationException | BackendException e) {
        throw e;
      } catch (LakeException e) {
        if (e.code() == Code.BUDGET || e.code() == Code.PINNED) {
          throw e;
        }
        throw new BackendException(target, e);
      } catch (Exception e) {
        if (attempt == TRIES || !adapter.isTransient(e)) {
          throw new BackendException(target, e);
        }
      }
      try {
        Thread.sleep(pause);
      } catch (InterruptedException e) {
        throw Cancellation.interrupted(target, e);
      }
      pause *= 2;
    }
  }

  private static Observed.At observe(Target target, BackendAdapter adapter) {
    long asked = System.nanoTime();
    String collection = target.collection();
    Generation generation = call(target, adapter, () -> adapter.generation(collection));
    return new Observed.At(token(generation), asked, false);
  }

  /** Pulls a collection, or what changed of it, until what came is of one generation. */
  private Observed.At pull(Entry entry, BackendAdapter adapter, Flight.Running running) {
    try {
      return pullOneState(entry, adapter, running);
    } catch (LakeException e) {
      if (e.code() == Code.BUDGET) {
        entry.tooLarge = System.nanoTime();
      }
      throw e;
    }
  }

  private Observed.At pullOneState(Entry entry, BackendAdapter adapter, Flight.Running running) {
    for (int attempt = 0; attempt < PULLS; attempt++) {
      running.check();
      Observed.At before = observe(entry.target, adapter);
      Optional<Observed.At> reached =
          call(entry.target, adapter, () -> follow(entry, adapter, running));
      if (reached.isEmpty()) {
        reached = call(entry.target, adapter, () -> pullWhole(entry, adapter, before, running));
      }
      if (reached.isPresent()) {
        return reached.get();
      }
    }
    throw new BackendException(
        entry.target,
        new IllegalStateException(
            "its generation changed during each of %d pulls".formatted(PULLS)));
  }

  /** Empty where the collection is to be pulled as a whole. */
  private Optional<Observed.At> follow(Entry entry, BackendAdapter adapter, Flight.Running running)
      throws Exception {
    NativeLake.ChangesSince changes = lake.beginChanges(entry.names);
    if (changes == null) {
      return Optional.empty();
    }
    long began = System.nanoTime();
    var sink = new PullSink(changes.pull(), running);
    try {
      Generation since = generation(changes.since());
      if (!adapter.changesSince(entry.target.collection(), since, sink)) {
        return Optional.empty();
      }
      Generation reached = sink.generation();
      if (reached == null) {
        throw new IllegalStateException("changesSince named no snapshot that its changes lead to");
      }
      boolean done = changes.pull().commit(null, 0, running.cancellation());
      return done ? Optional.of(new Observed.At(token(reached), began, true)) : Optional.empty();
    } finally {
      sink.end();
      changes.pull().close();
    }
  }

  /** Empty where the generation changed meanwhile. */
  private Optional<Observed.At> pullWhole(
      Entry entry, BackendAdapter adapter, Observed.At before, Flight.Running running)
      throws Exception {
    long began = System.nanoTime();
    NativePull pull = lake.beginPull(entry.names);
    var sink = new PullSink(pull, running);
    try {
      adapter.pull(entry.target.collection(), sink);
      running.check();
      Generation snapshot = sink.generation();
      if (snapshot != null) {
        pull.commit(null, 0, running.cancellation());
        return Optional.of(new Observed.At(token(snapshot), began, true));
      }
      Observed.At after = observe(entry.target, adapter);
      if (!after.generation().equals(before.generation())) {
        return Optional.empty();
      }
      long age = System.nanoTime() - after.nanoTime();
      pull.commit(after.generation(), age, running.cancellation());
      return Optional.of(new Observed.At(after.generation(), after.nanoTime(), true));
    } finally {
      sink.end();
      pull.close();
    }
  }

  /**
   * The rows of several collections that are nearest to a query. Each is asked for k rows, in
   * parallel; what fails is named in the result, unless the request is strict.
   *
   * @param request what to search for, and where
   * @throws LakeException or whatever else a collection's search throws, if the request is strict
   */
  public FederatedResult searchFederated(FederatedRequest request) {
    List<AsyncCall<LakeResult>> calls = new ArrayList<>();
    Map<Target, CompletableFuture<LakeResult>> futures = federate(request, calls);
    if (!Thread.currentThread().isVirtual()) {
      // Who waits does what no thread of the pool has begun.
      calls.forEach(AsyncCall::help);
    }
    var all = CompletableFuture.allOf(futures.values().toArray(CompletableFuture[]::new));
    try {
      all.exceptionally(failure -> null).join();
      return merge(request, futures);
    } catch (CompletionException e) {
      throw SearchPool.unwrapped(e);
    }
  }

  /** As {@link #searchFederated}, without waiting. Cancelling the future stops all searches. */
  public CompletableFuture<FederatedResult> searchFederatedAsync(FederatedRequest request) {
    Map<Target, CompletableFuture<LakeResult>> futures = federate(request, new ArrayList<>());
    CompletableFuture<FederatedResult> result =
        CompletableFuture.allOf(futures.values().toArray(CompletableFuture[]::new))
            .handle((done, failure) -> merge(request, futures));
    var _ =
        result.whenComplete(
            (merged, failure) -> futures.values().forEach(future -> future.cancel(false)));
    return result;
  }

  private Map<Target, CompletableFuture<LakeResult>> federate(
      FederatedRequest request, List<AsyncCall<LakeResult>> calls) {
    checkFilter(request.search());
    SearchRequest search = ACCESS.detached(request.search());
    long own = ACCESS.timeoutNanos(search);
    long each = request.deadlineNanos();
    long nanos = own == 0 || each == 0 ? own + each : Math.min(own, each);
    Map<Target, CompletableFuture<LakeResult>> futures = new LinkedHashMap<>();
    for (Target target : request.targets()) {
      Body<LakeResult> body =
          (cancellation, left) -> search(target, search, cancellation, Deadline.in(left));
      if (adapter(target.backend()) != null) {
        futures.put(target, onVirtualThread(nanos, body));
      } else {
        AsyncCall<LakeResult> call = AsyncCall.start(body, nanos);
        calls.add(call);
        futures.put(target, call.future());
      }
    }
    return futures;
  }

  private static FederatedResult merge(
      FederatedRequest request, Map<Target, CompletableFuture<LakeResult>> futures) {
    Map<Target, LakeResult> answers = new LinkedHashMap<>();
    Map<Target, Throwable> failures = new LinkedHashMap<>();
    futures.forEach(
        (target, future) -> {
          try {
            answers.put(target, future.join());
          } catch (CompletionException e) {
            failures.put(target, e.getCause() == null ? e : e.getCause());
          } catch (CancellationException e) {
            failures.put(target, e);
          }
        });
    if (request.isStrict() && !failures.isEmpty()) {
      throw new CompletionException(failures.values().iterator().next());
    }
    List<Target> targets = request.targets();
    List<SearchResult> parts = new ArrayList<>();
    for (Target target : targets) {
      LakeResult answer = answers.get(target);
      parts.add(answer == null ? NO_HITS : answer.hits());
    }
    List<FederatedHit> hits = new ArrayList<>();
    NativeLake.merge(
        parts.stream().map(SearchResult::ids).toList(),
        parts.stream().map(SearchResult::scores).toList(),
        request.search().k(),
        request.hasReplicas(),
        (part, id, score) -> hits.add(new FederatedHit(targets.get(part), id, score)));
    return new FederatedResult(hits, answers, failures);
  }

  /** What a caller waits for, within so many nanoseconds; 0: no limit. */
  @FunctionalInterface
  private interface Waiting<R> {
    R run(@Nullable Cancellation cancellation, long nanosLeft);
  }

  /**
   * Runs a call and waits for it: where it does not hold a virtual thread's carrier, and where an
   * adapter that does not answer does not hold this thread beyond its time.
   */
  private <R> R waiting(Target target, long timeoutNanos, Waiting<R> call) {
    if (adapter(target.backend()) == null) {
      return SearchPool.call(() -> call.run(null, timeoutNanos));
    }
    if (timeoutNanos == 0) {
      return call.run(null, 0);
    }
    CompletableFuture<R> future = onVirtualThread(timeoutNanos, call::run);
    try {
      return future.get();
    } catch (ExecutionException e) {
      throw SearchPool.unwrapped(e);
    } catch (InterruptedException e) {
      future.cancel(true);
      throw Cancellation.interrupted(target, e);
    }
  }

  private <R> CompletableFuture<R> async(Target target, long timeoutNanos, Body<R> body) {
    return adapter(target.backend()) == null
        ? AsyncCall.submit(body, timeoutNanos)
        : onVirtualThread(timeoutNanos, body);
  }

  /** For calls of adapters, which may wait for long: the pool's threads are few. */
  private static <R> CompletableFuture<R> onVirtualThread(long timeoutNanos, Body<R> body) {
    var future = new CompletableFuture<R>();
    var cancellation = new Cancellation();
    Thread thread =
        Thread.ofVirtual()
            .name("ruvector-lake-search")
            .unstarted(
                () -> {
                  try {
                    future.complete(body.call(cancellation, timeoutNanos));
                  } catch (Throwable t) {
                    future.completeExceptionally(t);
                  }
                });
    var _ =
        future.whenComplete(
            (result, failure) -> {
              cancellation.stop();
              if (Thread.currentThread() != thread) {
                thread.interrupt();
              }
            });
    if (timeoutNanos > 0) {
      CompletableFuture.delayedExecutor(timeoutNanos, TimeUnit.NANOSECONDS)
          .execute(
              () ->
                  future.completeExceptionally(
                      new DeadlineExceededException(
                          "the search took longer than %d ms"
                              .formatted(timeoutNanos / 1_000_000))));
    }
    thread.start();
    return future;
  }

  /** Whether any state of a collection is cached, however old. */
  public boolean isCached(Target target) {
    return lake.isCached(names(target));
  }

  /**
   * Whether what is cached of a collection is of the generation that its backend has now, which is
   * asked for unless nothing is cached. Nothing is pulled.
   *
   * @throws LakeException if there is no such backend or collection, or the backend does not answer
   */
  public boolean isCurrent(Target target) {
    if (!isCached(target)) {
      return false;
    }
    BackendAdapter adapter = adapter(target.backend());
    Observed seen = adapter == null ? Observed.NOTHING : observe(target, adapter);
    return lake.isCurrent(names(target), seen);
  }

  /**
   * Drops what is cached of a collection, also of a frozen one.
   *
   * @return false if there was nothing
   */
  public boolean invalidateCache(Target target) {
    boolean dropped = lake.invalidate(names(target));
    releaseEvicted();
    return dropped;
  }

  /** The witness of what is cached of a collection, 64 hex digits; empty where nothing is. */
  public Optional<String> cacheWitnessOf(Target target) {
    return Optional.ofNullable(lake.witness(names(target)));
  }

  /**
   * Writes the sidecar {@code table.rulake.json} of what a search would now be answered from, for
   * other processes to see whether what they have cached is the same.
   *
   * @param target the collection, which is pulled if need be
   * @param dir the folder, which is made where there is none
   * @return what was written
   */
  public RuLakeBundle publishBundle(Target target, Path dir) {
    while (true) {
      Lease lease =
          waiting(
              target, 0, (cancellation, left) -> lease(target, cancellation, Deadline.in(left)));
      NativeBundle bundle = lake.bundle(names(target), lease.observed);
      if (bundle != null) {
        return write(bundle, dir);
      }
    }
  }

  private RuLakeBundle write(NativeBundle fields, Path dir) {
    RuLakeBundle bundle = RuLakeBundle.of(fields);
    RuLakeBundle signed = signingKey == null ? bundle : bundle.signedBy(signingKey);
    signed.writeToDir(dir);
    return signed;
  }

  /** The sidecar of a folder, if it may be believed. */
  RuLakeBundle read(Path dir) {
    RuLakeBundle bundle = RuLakeBundle.readFromDir(dir);
    if (!trustedKeys.isEmpty() && trustedKeys.stream().noneMatch(bundle::isSignedBy)) {
      throw untrusted(
          dir,
          bundle.signature() == null
              ? "it is not signed, and the lake trusts signed ones only"
              : "its signature is by none of the %d trusted keys, or not of these fields"
                  .formatted(trustedKeys.size()));
    }
    return bundle;
  }

  private static LakeException untrusted(Path dir, String reason) {
    Path file = dir.resolve(RuLakeBundle.FILE_NAME);
    return new LakeException(Code.SIGNATURE, "%s: %s".formatted(file, reason));
  }

  /**
   * Drops what is cached of a collection if the sidecar of a folder tells of another state of it.
   *
   * @throws LakeException if the sidecar cannot be believed, or is another collection's
   */
  public Refresh refreshFromBundleDir(Target target, Path dir) {
    if (!Files.exists(dir.resolve(RuLakeBundle.FILE_NAME))) {
      return Refresh.BUNDLE_MISSING;
    }
    int found = lake.refresh(names(target), read(dir).toNative(), dir);
    releaseEvicted();
    return Refresh.values()[found];
  }

  /**
   * Saves what is cached of a collection: its index, the same rows in upstream's format where that
   * can hold them, and its sidecar.
   *
   * @param target the collection
   * @param dir the folder, which is made where there is none
   * @return the sidecar
   * @throws LakeException if nothing is cached of it
   */
  public RuLakeBundle saveCacheToDir(Target target, Path dir) {
    return write(lake.save(names(target), dir, signingKey != null), dir);
  }

  /**
   * Caches what was saved of a collection, without asking its backend: the next search does, if its
   * consistency asks so.
   *
   * @param target the collection, of the same backend id and name as it was saved
   * @param dir the folder
   * @return the number of rows
   * @throws LakeException if the folder holds something else, what a lake made otherwise has saved,
   *     or what no trusted key has signed
   * @throws io.ruvector.index.PersistException if the saved index is damaged, or not the one that
   *     was signed
   */
  public long warmFromDir(Target target, Path dir) {
    return warm(target, dir, read(dir));
  }

  /** The same with the sidecar of that folder, which may be believed. */
  long warm(Target target, Path dir, RuLakeBundle bundle) {
    if (!trustedKeys.isEmpty() && bundle.indexHash() == null) {
      throw untrusted(dir, "its signature covers no saved index: it was published alone");
    }
    Entry entry = entry(target);
    Look.Served served = lake.warm(entry.names, bundle.toNative(), dir);
    Leased leased = entry.accept(served, null);
    releaseEvicted();
    if (leased != null && leased.index != null) {
      rehearse(leased.index, leased.dim);
    }
    return served.rows();
  }

  /** Searches once, so that no user's search waits for what Java has yet to load. */
  private static void rehearse(VectorIndex index, int dim) {
    var any = new float[dim];
    Arrays.fill(any, 1);
    try {
      var _ = index.search(any, 1);
    } catch (IllegalStateException e) {
      LOG.debug("another thread has met a newer state meanwhile", e);
    }
  }

  /** What the cache did since the lake was made. */
  public CacheStats cacheStats() {
    return CacheStats.of(lake.stats());
  }

  /** Stops pulls that run and frees the cache, now or when the last search inside has returned. */
  @Override
  public void close() {
    lake.close();
    entries.values().forEach(Entry::retire);
    entries.clear();
  }

  /** The backends and what is cached, for people to read. */
  @Override
  public String toString() {
    return lake.isClosed()
        ? "RuLake[closed]"
        : "RuLake[backends %s, %s]".formatted(backendIds(), consistency);
  }
}
