package io.ruvector.internal;

import io.ruvector.internal.ffi.RuvectorH;
import io.ruvector.internal.ffi.ruv_bundle;
import io.ruvector.internal.ffi.ruv_cache_stats;
import io.ruvector.internal.ffi.ruv_consistency;
import io.ruvector.internal.ffi.ruv_generation;
import io.ruvector.internal.ffi.ruv_index_options;
import io.ruvector.internal.ffi.ruv_lake_options;
import io.ruvector.internal.ffi.ruv_served;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A native lake: one method for each native function, with the pointer kept alive around it. */
public final class NativeLake {
  private static final MemorySegment NULL = MemorySegment.NULL;
  private static final int FIRST_COLLECTIONS = 64;

  /** Room for a witness and its NUL. */
  static final int WITNESS_BYTES = 65;

  private final NativeHandle handle;

  private NativeLake(long address) {
    handle = new NativeHandle("RuLake", MemorySegment.ofAddress(address), RuvectorH::ruv_lake_free);
  }

  /** How far what is cached may be trusted, in the native side's numbers. */
  public record Trust(int kind, boolean revalidate, long ttlNanos, long maxStaleNanos) {
    void write(MemorySegment struct) {
      ruv_consistency.kind(struct, kind);
      ruv_consistency.revalidate(struct, revalidate ? 1 : 0);
      ruv_consistency.ttl_nanos(struct, ttlNanos);
      ruv_consistency.max_stale_nanos(struct, maxStaleNanos);
    }
  }

  /** A generation: a text, or where there is none a number. */
  public record Token(@Nullable String text, long number) {
    void write(MemorySegment struct, long ageNanos) {
      ruv_generation.kind(
          struct,
          text == null ? RuvectorH.RUV_GENERATION_NUMBER() : RuvectorH.RUV_GENERATION_TEXT());
      ruv_generation.number(struct, number);
      ruv_generation.age_nanos(struct, ageNanos);
      if (text != null) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        ruv_generation.length(struct, bytes.length);
        MemorySegment.copy(
            bytes, 0, ruv_generation.text(struct), ValueLayout.JAVA_BYTE, 0, bytes.length);
      }
    }

    static Token read(MemorySegment struct) {
      if (ruv_generation.kind(struct) == RuvectorH.RUV_GENERATION_NUMBER()) {
        return new Token(null, ruv_generation.number(struct));
      }
      byte[] bytes =
          ruv_generation
              .text(struct)
              .asSlice(0, ruv_generation.length(struct))
              .toArray(ValueLayout.JAVA_BYTE);
      return new Token(new String(bytes, StandardCharsets.UTF_8), 0);
    }
  }

  /** A backend's id and a collection's name, in native memory for as long as this is reachable. */
  public static final class NativeTarget {
    private final MemorySegment backend;
    private final MemorySegment collection;

    public NativeTarget(String backend, String collection) {
      Arena arena = Arena.ofAuto();
      this.backend = text(arena, backend);
      this.collection = text(arena, collection);
    }
  }

  static MemorySegment text(SegmentAllocator allocator, String text) {
    return allocator.allocateFrom(ValueLayout.JAVA_BYTE, text.getBytes(StandardCharsets.UTF_8));
  }

  /** What the caller knows of a backend's generation. */
  public sealed interface Observed {
    /** Nothing yet. */
    record Nothing() implements Observed {}

    /**
     * The backend had it at this {@link System#nanoTime()}.
     *
     * @param pulled whether the collection was pulled for this search, which is a miss then
     */
    record At(Token generation, long nanoTime, boolean pulled) implements Observed {}

    /** The backend failed to say. */
    record Failure() implements Observed {}

    Observed NOTHING = new Nothing();
    Observed FAILURE = new Failure();
  }

  /** What a look at a collection came to. */
  public sealed interface Look {
    /** The caller is to bring the generation. */
    record NeedsGeneration() implements Look {}

    /** The caller is to pull the collection. */
    record NeedsPrime() implements Look {}

    /** What a search is to be answered from; the index only where the state was not known. */
    record Served(
        long state,
        long rows,
        int dim,
        boolean stale,
        boolean revalidate,
        long ageNanos,
        @Nullable Token generation,
        @Nullable NativeIndex index)
        implements Look {}
  }

  public static NativeLake create(
      NativeIndex.Options index, long maxEntries, long maxBytes, long ivfFrom, Trust trust) {
    NativeLibrary.require();
    long address =
        NativeIndex.longCall(
            (arena, scratch) -> {
              MemorySegment options = ruv_lake_options.allocate(arena);
              MemorySegment.copy(
                  index.allocate(arena),
                  0,
                  ruv_lake_options.index(options),
                  0,
                  ruv_index_options.sizeof());
              ruv_lake_options.max_entries(options, maxEntries);
              ruv_lake_options.max_bytes(options, maxBytes);
              ruv_lake_options.ivf_from(options, ivfFrom);
              trust.write(ruv_lake_options.consistency(options));
              return RuvectorH.ruv_lake_new(options, scratch.words, scratch.error);
            });
    return new NativeLake(address);
  }

  public void register(NativeBackend backend) {
    try {
      NativeIndex.longCall(
          (arena, scratch) ->
              RuvectorH.ruv_lake_register(handle.pointer(), backend.pointer(), scratch.error));
    } finally {
      Reference.reachabilityFence(this);
      Reference.reachabilityFence(backend);
    }
  }

  public void registerExternal(String id) {
    try {
      NativeIndex.longCall(
          (arena, scratch) -> {
            MemorySegment text = text(arena, id);
            return RuvectorH.ruv_lake_register_external(
                handle.pointer(), text, text.byteSize(), scratch.error);
          });
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public boolean unregister(String id) {
    try {
      return NativeIndex.longCall(
              (arena, scratch) -> {
                MemorySegment text = text(arena, id);
                return RuvectorH.ruv_lake_unregister(
                    handle.pointer(), text, text.byteSize(), scratch.words, scratch.error);
              })
          != 0;
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void setConsistency(NativeTarget t, @Nullable Trust trust) {
    targetCall(
        t,
        (backend, length, collection, collectionLength, arena, scratch) -> {
          MemorySegment struct = NULL;
          if (trust != null) {
            struct = ruv_consistency.allocate(arena);
            trust.write(struct);
          }
          return RuvectorH.ruv_lake_set_consistency(
              handle.pointer(),
              backend,
              length,
              collection,
              collectionLength,
              struct,
              scratch.error);
        });
  }

  /** A native call about one collection. */
  @FunctionalInterface
  private interface TargetCall {
    int call(
        MemorySegment backend,
        long backendLength,
        MemorySegment collection,
        long collectionLength,
        Arena arena,
        Scratch scratch);
  }

  private long targetCall(NativeTarget t, TargetCall call) {
    try {
      return NativeIndex.longCall(
          (arena, scratch) ->
              call.call(
                  t.backend,
                  t.backend.byteSize(),
                  t.collection,
                  t.collection.byteSize(),
                  arena,
                  scratch));
    } finally {
      Reference.reachabilityFence(this);
      Reference.reachabilityFence(t);
    }
  }

  /** On the calling thread, also where that is a virtual one: the caller has seen to that. */
  public Look look(
      NativeTarget t,
      Observed observed,
      long knownState,
      @Nullable Cancellation cancellation,
      long timeoutNanos) {
    try (var scratch = Scratch.borrow()) {
      MemorySegment struct = struct(observed, scratch);
      MemorySegment served = scratch.served();
      if (cancellation != null) {
        cancellation.begin(scratch);
      }
      int status;
      try {
        status =
            RuvectorH.ruv_lake_look(
                handle.pointer(),
                t.backend,
                t.backend.byteSize(),
                t.collection,
                t.collection.byteSize(),
                struct,
                observed instanceof Observed.At at && at.pulled ? 1 : 0,
                knownState,
                cancellation == null ? NULL : scratch.cancel,
                timeoutNanos,
                served,
                scratch.words,
                scratch.error);
      } finally {
        if (cancellation != null) {
          cancellation.end();
        }
      }
      if (status == Status.NEEDS_GENERATION) {
        return new Look.NeedsGeneration();
      }
      if (status == Status.NEEDS_PRIME) {
        return new Look.NeedsPrime();
      }
      Status.check(status, scratch.error);
      return served(served, scratch.words.get(ValueLayout.ADDRESS, 0), knownState);
    } finally {
      Reference.reachabilityFence(this);
      Reference.reachabilityFence(t);
    }
  }

  /** What the native side is told; NULL where that is nothing. */
  private static MemorySegment struct(Observed observed, Scratch scratch) {
    switch (observed) {
      case Observed.Nothing nothing -> {
        return NULL;
      }
      case Observed.At at -> {
        long age = Math.max(0, System.nanoTime() - at.nanoTime);
        at.generation.write(scratch.observed(), age);
      }
      case Observed.Failure failure ->
          ruv_generation.kind(scratch.observed(), RuvectorH.RUV_GENERATION_FAILED());
    }
    return scratch.observed();
  }

  private static Look.Served served(MemorySegment served, MemorySegment index, long knownState) {
    long state = ruv_served.state(served);
    MemorySegment generation = ruv_served.generation(served);
    return new Look.Served(
        state,
        ruv_served.rows(served),
        ruv_served.dim(served),
        ruv_served.stale(served) != 0,
        ruv_served.revalidate(served) != 0,
        ruv_generation.age_nanos(generation),
        state == knownState ? null : Token.read(generation),
        index.equals(NULL) ? null : NativeIndex.shared(index));
  }

  public void prime(NativeTarget t, @Nullable Cancellation cancellation, long timeoutNanos) {
    targetCall(
        t,
        (backend, length, collection, collectionLength, arena, scratch) -> {
          if (cancellation != null) {
            cancellation.begin(scratch);
          }
          try {
            return RuvectorH.ruv_lake_prime(
                handle.pointer(),
                backend,
                length,
                collection,
                collectionLength,
                cancellation == null ? NULL : scratch.cancel,
                timeoutNanos,
                scratch.error);
          } finally {
            if (cancellation != null) {
              cancellation.end();
            }
          }
        });
  }

  public NativePull beginPull(NativeTarget t) {
    long address =
        targetCall(
            t,
            (backend, length, collection, collectionLength, arena, scratch) ->
                RuvectorH.ruv_pull_begin(
                    handle.pointer(),
                    backend,
                    length,
                    collection,
                    collectionLength,
                    scratch.words,
                    scratch.error));
    return new NativePull(address);
  }

  /** A pull of changes, and the generation since which. */
  public record ChangesSince(NativePull pull, Token since) {}

  /** Null where nothing is cached that changes could be made to. */
  public @Nullable ChangesSince beginChanges(NativeTarget t) {
    var since = new Token[1];
    long address =
        targetCall(
            t,
            (backend, length, collection, collectionLength, arena, scratch) -> {
              MemorySegment struct = ruv_generation.allocate(arena);
              int status =
                  RuvectorH.ruv_pull_begin_changes(
                      handle.pointer(),
                      backend,
                      length,
                      collection,
                      collectionLength,
                      struct,
                      scratch.words,
                      scratch.error);
              if (status == Status.OK && scratch.words.get(ValueLayout.JAVA_LONG, 0) != 0) {
                since[0] = Token.read(struct);
              }
              return status;
            });
    return address == 0 ? null : new ChangesSince(new NativePull(address), since[0]);
  }

  public boolean isCached(NativeTarget t) {
    return targetCall(
            t,
            (backend, length, collection, collectionLength, arena, scratch) ->
                RuvectorH.ruv_lake_is_cached(
                    handle.pointer(),
                    backend,
                    length,
                    collection,
                    collectionLength,
                    scratch.words,
                    scratch.error))
        != 0;
  }

  public boolean invalidate(NativeTarget t) {
    return targetCall(
            t,
            (backend, length, collection, collectionLength, arena, scratch) ->
                RuvectorH.ruv_lake_invalidate(
                    handle.pointer(),
                    backend,
                    length,
                    collection,
                    collectionLength,
                    scratch.words,
                    scratch.error))
        != 0;
  }

  /** Null where nothing is cached. */
  public @Nullable String witness(NativeTarget t) {
    var witness = new String[1];
    targetCall(
        t,
        (backend, length, collection, collectionLength, arena, scratch) -> {
          MemorySegment text = arena.allocate(WITNESS_BYTES);
          int status =
              RuvectorH.ruv_lake_witness(
                  handle.pointer(),
                  backend,
                  length,
                  collection,
                  collectionLength,
                  text,
                  text.byteSize(),
                  scratch.error);
          if (status == Status.NOT_CACHED) {
            return Status.OK;
          }
          witness[0] = text.getString(0);
          return status;
        });
    return witness[0];
  }

  /** Whether what is cached is of the generation that the backend has, or was observed to have. */
  public boolean isCurrent(NativeTarget t, Observed observed) {
    return targetCall(
            t,
            (backend, length, collection, collectionLength, arena, scratch) ->
                RuvectorH.ruv_lake_is_current(
                    handle.pointer(),
                    backend,
                    length,
                    collection,
                    collectionLength,
                    struct(observed, scratch),
                    NULL,
                    0,
                    scratch.words,
                    scratch.error))
        != 0;
  }

  /** Counts a search that its backend has answered. */
  public void pushedDown(NativeTarget t) {
    targetCall(
        t,
        (backend, length, collection, collectionLength, arena, scratch) ->
            RuvectorH.ruv_lake_pushed_down(
                handle.pointer(), backend, length, collection, collectionLength, scratch.error));
  }

  /** The sidecar of what a search would be answered from; null if that changed: look again. */
  public @Nullable NativeBundle bundle(NativeTarget t, Observed observed) {
    var bundle = new NativeBundle[1];
    targetCall(
        t,
        (backend, length, collection, collectionLength, arena, scratch) -> {
          MemorySegment filled = ruv_bundle.allocate(arena);
          int status =
              RuvectorH.ruv_lake_bundle(
                  handle.pointer(),
                  backend,
                  length,
                  collection,
                  collectionLength,
                  struct(observed, scratch),
                  NULL,
                  0,
                  filled,
                  scratch.error);
          if (status == Status.NEEDS_GENERATION || status == Status.NEEDS_PRIME) {
            return Status.OK;
          }
          if (status == Status.OK) {
            bundle[0] = NativeBundle.read(filled);
          }
          return status;
        });
    return bundle[0];
  }

  /** Takes the hits of a merge, nearest first. */
  @FunctionalInterface
  public interface Merged {
    void hit(int part, long id, float score);
  }

  /** The k nearest of several results' hits; of replicas, one id is one hit. */
  public static void merge(
      List<long[]> ids, List<float[]> scores, int k, boolean replicas, Merged merged) {
    int n = ids.stream().mapToInt(part -> part.length).sum();
    try (var arena = Arena.ofConfined();
        var scratch = Scratch.borrow()) {
      MemorySegment allIds = arena.allocate(ValueLayout.JAVA_LONG, n);
      MemorySegment allScores = arena.allocate(ValueLayout.JAVA_FLOAT, n);
      MemorySegment parts = arena.allocate(ValueLayout.JAVA_INT, n);
      int at = 0;
      for (int part = 0; part < ids.size(); part++) {
        for (int i = 0; i < ids.get(part).length; i++, at++) {
          allIds.setAtIndex(ValueLayout.JAVA_LONG, at, ids.get(part)[i]);
          allScores.setAtIndex(ValueLayout.JAVA_FLOAT, at, scores.get(part)[i]);
          parts.setAtIndex(ValueLayout.JAVA_INT, at, part);
        }
      }
      Status.check(
          RuvectorH.ruv_merge(
              allIds, allScores, parts, n, k, replicas ? 1 : 0, scratch.words, scratch.error),
          scratch.error);
      long hits = scratch.words.get(ValueLayout.JAVA_LONG, 0);
      for (int i = 0; i < hits; i++) {
        merged.hit(
            parts.getAtIndex(ValueLayout.JAVA_INT, i),
            allIds.getAtIndex(ValueLayout.JAVA_LONG, i),
            allScores.getAtIndex(ValueLayout.JAVA_FLOAT, i));
      }
    }
  }

  /** Returns a {@code ruv_refresh}. */
  public int refresh(NativeTarget t, NativeBundle bundle, Path dir) {
    return (int)
        targetCall(
            t,
            (backend, length, collection, collectionLength, arena, scratch) -> {
              scratch.words.set(ValueLayout.JAVA_LONG, 0, 0);
              MemorySegment path = NativeIndex.path(arena, dir);
              return RuvectorH.ruv_lake_refresh(
                  handle.pointer(),
                  backend,
                  length,
                  collection,
                  collectionLength,
                  bundle.write(arena),
                  path,
                  path.byteSize(),
                  scratch.words,
                  scratch.error);
            });
  }

  /** Saves the index, and returns the sidecar for the caller to write. */
  public NativeBundle save(NativeTarget t, Path dir, boolean hashed) {
    var bundle = new NativeBundle[1];
    targetCall(
        t,
        (backend, length, collection, collectionLength, arena, scratch) -> {
          MemorySegment path = NativeIndex.path(arena, dir);
          MemorySegment filled = ruv_bundle.allocate(arena);
          int status =
              RuvectorH.ruv_lake_save(
                  handle.pointer(),
                  backend,
                  length,
                  collection,
                  collectionLength,
                  path,
                  path.byteSize(),
                  hashed ? 1 : 0,
                  filled,
                  scratch.error);
          if (status == Status.OK) {
            bundle[0] = NativeBundle.read(filled);
          }
          return status;
        });
    return bundle[0];
  }

  public Look.Served warm(NativeTarget t, NativeBundle bundle, Path dir) {
    var warmed = new Look.Served[1];
    targetCall(
        t,
        (backend, length, collection, collectionLength, arena, scratch) -> {
          MemorySegment path = NativeIndex.path(arena, dir);
          MemorySegment served = scratch.served();
          int status =
              RuvectorH.ruv_lake_warm(
                  handle.pointer(),
                  backend,
                  length,
                  collection,
                  collectionLength,
                  bundle.write(arena),
                  path,
                  path.byteSize(),
                  served,
                  scratch.words,
                  scratch.error);
          if (status == Status.OK) {
            warmed[0] = served(served, scratch.words.get(ValueLayout.ADDRESS, 0), 0);
          }
          return status;
        });
    return warmed[0];
  }

  /** The counts of a cache, in the order of the native struct. */
  public record Stats(
      long hits,
      long misses,
      long primes,
      long refreshes,
      long invalidations,
      long sharedHits,
      long warmInstalls,
      long stale,
      long pushedDown,
      long primeNanos,
      long lastPrimeNanos,
      long entries,
      long bytes) {
    private static Stats read(MemorySegment struct) {
      return new Stats(
          ruv_cache_stats.hits(struct),
          ruv_cache_stats.misses(struct),
          ruv_cache_stats.primes(struct),
          ruv_cache_stats.refreshes(struct),
          ruv_cache_stats.invalidations(struct),
          ruv_cache_stats.shared_hits(struct),
          ruv_cache_stats.warm_installs(struct),
          ruv_cache_stats.stale(struct),
          ruv_cache_stats.pushed_down(struct),
          ruv_cache_stats.prime_nanos(struct),
          ruv_cache_stats.last_prime_nanos(struct),
          ruv_cache_stats.entries(struct),
          ruv_cache_stats.bytes(struct));
    }
  }

  /** The counts of one collection. */
  public record CollectionStats(String backend, String collection, Stats stats) {}

  /** The counts of the whole cache and of each collection, of one moment. */
  public record AllStats(Stats total, List<CollectionStats> each) {}

  public AllStats stats() {
    int collections = FIRST_COLLECTIONS;
    int bytes = FIRST_COLLECTIONS * 64;
    while (true) {
      try (var arena = Arena.ofConfined();
          var scratch = Scratch.borrow()) {
        MemorySegment total = ruv_cache_stats.allocate(arena);
        MemorySegment each = ruv_cache_stats.allocateArray(collections, arena);
        MemorySegment names = arena.allocate(bytes);
        MemorySegment length = scratch.words.asSlice(Long.BYTES);
        Status.check(
            RuvectorH.ruv_lake_stats(
                handle.pointer(),
                total,
                each,
                collections,
                scratch.words,
                names,
                bytes,
                length,
                scratch.error),
            scratch.error);
        int found = Math.toIntExact(scratch.words.get(ValueLayout.JAVA_LONG, 0));
        int used = Math.toIntExact(length.get(ValueLayout.JAVA_LONG, 0));
        if (found <= collections && used < bytes) {
          String[] lines = names.getString(0).split("\n", -1);
          List<CollectionStats> all = new ArrayList<>(found);
          for (int i = 0; i < found; i++) {
            Stats stats = Stats.read(ruv_cache_stats.asSlice(each, i));
            all.add(new CollectionStats(lines[2 * i], lines[2 * i + 1], stats));
          }
          return new AllStats(Stats.read(total), all);
        }
        collections = Math.max(collections, found + found / 2);
        bytes = Math.max(bytes, used + used / 2 + 1);
      } finally {
        Reference.reachabilityFence(this);
      }
    }
  }

  public boolean isClosed() {
    return handle.isClosed();
  }

  public void close() {
    handle.close();
  }
}
