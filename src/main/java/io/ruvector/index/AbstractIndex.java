package io.ruvector.index;

import io.ruvector.internal.AsyncCall;
import io.ruvector.internal.Cancellation;
import io.ruvector.internal.Checks;
import io.ruvector.internal.IndexAccess;
import io.ruvector.internal.NativeFilter;
import io.ruvector.internal.NativeIndex;
import io.ruvector.internal.NativeIndex.Parameters;
import io.ruvector.internal.NativeIndex.RowIds;
import io.ruvector.internal.NativeIndex.Rows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What all kinds share: checks of arguments, and the way down to the native index. */
abstract class AbstractIndex implements VectorIndex {
  /** More places than this are not set aside unless the index has rows to fill them. */
  private static final int MAX_EAGER_PLACES = 1 << 16;

  /** The longest array that each virtual machine can allocate. */
  private static final int MAX_ARRAY = Integer.MAX_VALUE - 8;

  static {
    IndexAccess.set(new Access());
  }

  private final NativeIndex index;
  private final IndexKind kind;
  private final int dim;
  private final FilterCache filters = new FilterCache();

  AbstractIndex(NativeIndex index, IndexKind kind) {
    this.index = index;
    this.kind = kind;
    this.dim = index.info().options().dim();
  }

  /** The public class for a native index of any kind. */
  static VectorIndex of(NativeIndex index) {
    try {
      return switch (IndexKind.ofNumber(index.info().options().kind())) {
        case FLAT_F32 -> new FlatF32Index(index);
        case RABITQ -> new RabitqIndex(index);
        case RABITQ_ASYM -> new RabitqAsymIndex(index);
        case RABITQ_PLUS -> new RabitqPlusIndex(index);
        case IVF -> new IvfIndex(index);
      };
    } catch (RuntimeException e) {
      index.close();
      throw e;
    }
  }

  static NativeIndex create(String name, IndexKind kind, int dim, IndexOptions options) {
    Checks.dim(dim);
    if (options.originals() == Originals.ADOPT || options.originals() == Originals.MAPPED) {
      throw Checks.illegal(
          "originals", options.originals(), "COPY, for an index that starts empty");
    }
    return NativeIndex.create(name, nativeOptions(kind, dim, options));
  }

  static NativeIndex build(
      String name, IndexKind kind, Vectors vectors, Ids ids, IndexOptions options) {
    NativeIndex.Options nativeOptions = nativeOptions(kind, vectors.dim(), options);
    try (var arena = Arena.ofConfined()) {
      RowIds rowIds = ids.forRows(vectors.rows(), arena);
      return switch (options.originals()) {
        case ADOPT -> {
          VectorBuffer buffer = vectors.buffer();
          if (buffer == null) {
            throw Checks.illegal(
                "originals", Originals.ADOPT + " for " + vectors, "ADOPT for a VectorBuffer");
          }
          yield NativeIndex.adopt(name, nativeOptions, buffer.nativeBuffer(), rowIds);
        }
        case MAPPED -> {
          NativeIndex.FileRows file = vectors.file();
          if (file == null) {
            throw Checks.illegal(
                "originals", Originals.MAPPED + " for " + vectors, "MAPPED for Vectors.map");
          }
          yield NativeIndex.buildMapped(name, nativeOptions, file, rowIds);
        }
        case COPY, NONE ->
            vectors.rows() == 0
                ? NativeIndex.create(name, nativeOptions)
                : NativeIndex.build(name, nativeOptions, vectors.nativeRows("vectors"), rowIds);
      };
    } finally {
      Reference.reachabilityFence(vectors);
      Reference.reachabilityFence(ids);
    }
  }

  static NativeIndex.Options nativeOptions(IndexKind kind, int dim, IndexOptions options) {
    Originals originals = options.originals();
    if (kind.keepsOriginals() && kind != IndexKind.IVF && originals == Originals.NONE) {
      throw Checks.illegal("originals", originals, "COPY, ADOPT or MAPPED for " + kind);
    }
    if (!kind.keepsOriginals()) {
      if (originals == Originals.ADOPT || originals == Originals.MAPPED) {
        throw Checks.illegal("originals", originals, "COPY or NONE for " + kind);
      }
      originals = Originals.NONE;
    }
    return new NativeIndex.Options(
        kind.number(),
        options.metric().number(),
        dim,
        options.bits(),
        originals.number(),
        options.rerankFactor(),
        options.epsilon(),
        options.nlist(),
        options.nprobe(),
        options.seed());
  }

  @Override
  public final void add(long id, float[] vector) {
    checkDim(vector.length);
    try (var arena = Arena.ofConfined()) {
      index.add(row(vector, arena), RowIds.from(id));
    }
  }

  @Override
  public final boolean upsert(long id, float[] vector) {
    checkDim(vector.length);
    try (var arena = Arena.ofConfined()) {
      return index.upsert(row(vector, arena), RowIds.from(id)) != 0;
    }
  }

  private Rows row(float[] vector, Arena arena) {
    MemorySegment copy = arena.allocateFrom(ValueLayout.JAVA_FLOAT, vector);
    return new Rows(copy, 1, dim, (long) dim * Float.BYTES);
  }

  @Override
  public final void addAll(Vectors vectors, Ids ids) {
    checkDim(vectors.dim());
    try (var arena = Arena.ofConfined()) {
      RowIds rowIds = ids.forRows(vectors.rows(), arena);
      if (vectors.rows() > 0) {
        index.add(vectors.nativeRows("vectors"), rowIds);
      }
    } finally {
      Reference.reachabilityFence(vectors);
      Reference.reachabilityFence(ids);
    }
  }

  @Override
  public final long upsertAll(Vectors vectors, Ids ids) {
    checkDim(vectors.dim());
    try (var arena = Arena.ofConfined()) {
      RowIds rowIds = ids.forRows(vectors.rows(), arena);
      return vectors.rows() == 0 ? 0 : index.upsert(vectors.nativeRows("vectors"), rowIds);
    } finally {
      Reference.reachabilityFence(vectors);
      Reference.reachabilityFence(ids);
    }
  }

  @Override
  public final long remove(long... ids) {
    return index.remove(ids);
  }

  @Override
  public final void compact() {
    index.compact();
  }

  @Override
  public final boolean contains(long id) {
    return index.contains(id);
  }

  @Override
  public final SearchResult search(float[] query, int k) {
    checkDim(query.length);
    SearchRequest.checkK(k);
    return index.search(query, places(k), Parameters.DEFAULTS, SearchResult::new);
  }

  @Override
  public final SearchResult search(SearchRequest request) {
    checkRequest(request);
    return search(request, null, request.parameters().timeoutNanos());
  }

  private SearchResult search(
      SearchRequest request, @Nullable Cancellation cancellation, long timeoutNanos) {
    try (var cached = filters.acquire(request.idFilter())) {
      Parameters parameters = parameters(request, cached, cancellation, timeoutNanos);
      float[] array = request.array();
      return array != null
          ? index.search(array, places(request.k()), parameters, SearchResult::new)
          : index.search(segment(request), dim, places(request.k()), parameters, SearchResult::new);
    }
  }

  @Override
  public final int search(SearchRequest request, long[] ids, float[] scores) {
    checkRequest(request);
    int k = request.k();
    if (ids.length < k || scores.length < k) {
      throw Checks.illegal(
          "ids and scores",
          "%d and %d places".formatted(ids.length, scores.length),
          "k = %d places or more".formatted(k));
    }
    try (var cached = filters.acquire(request.idFilter())) {
      Parameters parameters =
          parameters(request, cached, null, request.parameters().timeoutNanos());
      float[] array = request.array();
      return array != null
          ? index.search(array, places(k), parameters, ids, scores)
          : index.search(segment(request), dim, places(k), parameters, ids, scores);
    }
  }

  private static MemorySegment segment(SearchRequest request) {
    MemorySegment segment = request.segment();
    if (segment == null) {
      throw Checks.illegal("request", "a template without a query", "a request of a query");
    }
    return segment;
  }

  @Override
  public final CompletableFuture<SearchResult> searchAsync(SearchRequest request) {
    checkRequest(request);
    SearchRequest own = request.detached();
    return AsyncCall.submit(
        (cancellation, nanosLeft) -> search(own, cancellation, nanosLeft),
        request.parameters().timeoutNanos());
  }

  @Override
  public final BatchResult searchBatch(Vectors queries, SearchRequest template) {
    checkTemplate(queries, template);
    return searchBatch(queries, template, null, template.parameters().timeoutNanos());
  }

  @Override
  public final CompletableFuture<BatchResult> searchBatchAsync(
      Vectors queries, SearchRequest template) {
    checkTemplate(queries, template);
    queries.checkShareable("queries");
    return AsyncCall.submit(
        (cancellation, nanosLeft) -> searchBatch(queries, template, cancellation, nanosLeft),
        template.parameters().timeoutNanos());
  }

  private BatchResult searchBatch(
      Vectors queries,
      SearchRequest template,
      @Nullable Cancellation cancellation,
      long timeoutNanos) {
    int k = template.k();
    if (queries.rows() > MAX_ARRAY / k) {
      throw Checks.illegal(
          "queries and k",
          "%d times %d places".formatted(queries.rows(), k),
          "%d places in arrays, or more in segments".formatted(MAX_ARRAY));
    }
    int rows = (int) queries.rows();
    try (var arena = Arena.ofConfined()) {
      MemorySegment ids = arena.allocate(ValueLayout.JAVA_LONG, (long) rows * k);
      MemorySegment scores = arena.allocate(ValueLayout.JAVA_FLOAT, (long) rows * k);
      MemorySegment counts = arena.allocate(ValueLayout.JAVA_INT, rows);
      SearchStats stats =
          searchBatch(queries, template, ids, scores, counts, cancellation, timeoutNanos);
      return new BatchResult(
          k,
          ids.toArray(ValueLayout.JAVA_LONG),
          scores.toArray(ValueLayout.JAVA_FLOAT),
          counts.toArray(ValueLayout.JAVA_INT),
          stats);
    }
  }

  @Override
  public final SearchStats searchBatch(
      Vectors queries, SearchRequest template, MemorySegment ids, MemorySegment scores) {
    checkTemplate(queries, template);
    checkRoom(queries, template, ids, scores);
    return searchBatch(
        queries, template, ids, scores, null, null, template.parameters().timeoutNanos());
  }

  @Override
  public final CompletableFuture<SearchStats> searchBatchAsync(
      Vectors queries, SearchRequest template, MemorySegment ids, MemorySegment scores) {
    checkTemplate(queries, template);
    queries.checkShareable("queries");
    Checks.shareable("ids", ids);
    Checks.shareable("scores", scores);
    checkRoom(queries, template, ids, scores);
    return AsyncCall.submit(
        (cancellation, nanosLeft) ->
            searchBatch(queries, template, ids, scores, null, cancellation, nanosLeft),
        template.parameters().timeoutNanos());
  }

  private SearchStats searchBatch(
      Vectors queries,
      SearchRequest template,
      MemorySegment ids,
      MemorySegment scores,
      @Nullable MemorySegment counts,
      @Nullable Cancellation cancellation,
      long timeoutNanos) {
    try (var cached = filters.acquire(template.idFilter())) {
      return index.searchBatch(
          queries.nativeRows("queries"),
          template.k(),
          parameters(template, cached, cancellation, timeoutNanos),
          ids,
          scores,
          counts,
          SearchStats::new);
    } finally {
      Reference.reachabilityFence(queries);
    }
  }

  @Override
  public final RangeResult searchRange(RangeRequest request) {
    checkDim(request.query().length);
    SearchRequest base = request.base();
    checkFilter(base);
    try (var cached = filters.acquire(base.idFilter())) {
      return index.searchRange(
          request.query(),
          request.radius(),
          places(request.limit()),
          parameters(base, cached, null, base.parameters().timeoutNanos()),
          RangeResult::new);
    }
  }

  private void checkRequest(SearchRequest request) {
    float[] array = request.array();
    if (array != null) {
      checkDim(array.length);
    } else {
      MemorySegment segment = segment(request);
      checkDim((int) Math.min(segment.byteSize() / Float.BYTES, Integer.MAX_VALUE));
      Checks.accessible("query", segment);
    }
    checkFilter(request);
  }

  private void checkTemplate(Vectors queries, SearchRequest template) {
    checkDim(queries.dim());
    checkFilter(template);
  }

  private void checkFilter(SearchRequest request) {
    checkOpen();
    PreparedFilter prepared = request.preparedFilter();
    if (prepared != null) {
      prepared.checkIndex(this);
    }
  }

  private void checkOpen() {
    if (index.isClosed()) {
      throw new IllegalStateException(kind + " index is closed");
    }
  }

  private static void checkRoom(
      Vectors queries, SearchRequest template, MemorySegment ids, MemorySegment scores) {
    checkRoom("ids", ids, queries.rows(), template.k(), Long.BYTES);
    checkRoom("scores", scores, queries.rows(), template.k(), Float.BYTES);
    if (ids.asOverlappingSlice(scores).isPresent()) {
      throw Checks.illegal("ids and scores", "overlapping", "memory apart from each other");
    }
  }

  private static void checkRoom(
      String name, MemorySegment segment, long rows, int k, int elementBytes) {
    Checks.nativeMemory(name, segment, elementBytes);
    Checks.accessible(name, segment);
    if (segment.isReadOnly()) {
      throw Checks.illegal(name, "read-only", "memory that can be written");
    }
    if (rows > segment.byteSize() / elementBytes / k) {
      throw Checks.illegal(
          name,
          segment.byteSize() + " bytes",
          "%d bytes for each of the %d * %d places".formatted(elementBytes, rows, k));
    }
  }

  private void checkDim(int actual) {
    if (actual != dim) {
      throw new DimensionMismatchException(dim, actual);
    }
  }

  /** How many places to set aside for k hits: no more than there are rows, where k is large. */
  private int places(int k) {
    return k <= MAX_EAGER_PLACES ? k : Math.clamp(size(), 1, k);
  }

  /** The request's own parameters, unless something is to be put in its place. */
  private static Parameters parameters(
      SearchRequest request,
      FilterCache.@Nullable Entry cached,
      @Nullable Cancellation cancellation,
      long timeoutNanos) {
    Parameters own = request.parameters();
    PreparedFilter prepared = request.preparedFilter();
    NativeFilter filter =
        cached != null ? cached.prepared() : prepared != null ? prepared.nativeFilter() : null;
    if (filter == null && cancellation == null) {
      return own;
    }
    return new Parameters(
        own.recall(),
        own.epsilon(),
        own.rerankFactor(),
        own.nprobe(),
        filter,
        timeoutNanos,
        cancellation);
  }

  @Override
  public final PreparedFilter prepare(IdFilter filter) {
    NativeFilter prepared = filter.toNative();
    try {
      return new PreparedFilter(this, filter, prepared, prepared.prepare(index));
    } catch (RuntimeException e) {
      prepared.close();
      throw e;
    }
  }

  @Override
  public final IndexInfo info() {
    NativeIndex.Info info = index.info();
    NativeIndex.Options options = info.options();
    return new IndexInfo(
        IndexKind.ofNumber(options.kind()),
        Metric.ofNumber(options.metric()),
        options.dim(),
        options.bits(),
        Originals.ofNumber(options.originals()),
        options.rerankFactor(),
        options.epsilon(),
        options.nlist(),
        options.nprobe(),
        options.seed(),
        info.rows(),
        info.deleted(),
        info.segments(),
        Math.toIntExact(info.cells()),
        info.memoryBytes(),
        info.mappedBytes(),
        info.version());
  }

  @Override
  public final long size() {
    return index.info().rows();
  }

  @Override
  public final long memoryBytes() {
    return index.info().memoryBytes();
  }

  @Override
  public final Stream<RowCode> codes() {
    return RowIterator.ofCodes(index, Math.toIntExact(index.info().codeBytes())).stream();
  }

  @Override
  public final Rotation rotation() {
    return new Rotation(index, dim, index.info().options().seed());
  }

  @Override
  public final void save(Path file) {
    index.save(file);
  }

  @Override
  public final void exportRbpx(Path file) {
    index.exportRbpx(file);
  }

  @Override
  public final boolean contentEquals(VectorIndex other) {
    if (other instanceof AbstractIndex that) {
      return index.contentEquals(that.index);
    }
    throw Checks.illegal("other", other.getClass().getName(), "an index of this library");
  }

  @Override
  public final boolean isClosed() {
    return index.isClosed();
  }

  @Override
  public final void close() {
    index.close();
    filters.clear();
  }

  /** The native index, for the tests of what no public method does. */
  final NativeIndex nativeIndex() {
    return index;
  }

  final Optional<float[]> original(long id) {
    return Optional.ofNullable(index.get(id, dim));
  }

  final Iterator<IdVector> iterateOriginals() {
    return RowIterator.ofVectors(index, dim);
  }

  final Stream<IdVector> streamOriginals() {
    return RowIterator.ofVectors(index, dim).stream();
  }

  /** What the index is and holds, for people to read. */
  @Override
  public final String toString() {
    String name = getClass().getSimpleName();
    if (isClosed()) {
      return name + "[closed]";
    }
    try {
      IndexInfo info = info();
      String cells = kind == IndexKind.IVF ? ", %d cells".formatted(info.cells()) : "";
      return "%s[%d rows of %d dimensions, %s, %d bits%s, seed %d, %d bytes in memory, %d mapped]"
          .formatted(
              name,
              info.size(),
              info.dim(),
              info.metric(),
              info.bits(),
              cells,
              info.seed(),
              info.memoryBytes(),
              info.mappedBytes());
    } catch (RuntimeException e) {
      // Closed meanwhile, or poisoned: a description must not be what fails.
      return "%s[%s]".formatted(name, e.getMessage());
    }
  }

  private static final class Access extends IndexAccess {
    @Override
    public VectorIndex wrap(NativeIndex index) {
      return of(index);
    }

    @Override
    public SearchResult search(
        VectorIndex index,
        SearchRequest request,
        @Nullable Cancellation cancellation,
        long timeoutNanos) {
      AbstractIndex own = (AbstractIndex) index;
      own.checkRequest(request);
      return own.search(request, cancellation, timeoutNanos);
    }

    @Override
    public BatchResult searchBatch(
        VectorIndex index,
        Vectors queries,
        SearchRequest template,
        @Nullable Cancellation cancellation,
        long timeoutNanos) {
      AbstractIndex own = (AbstractIndex) index;
      own.checkTemplate(queries, template);
      return own.searchBatch(queries, template, cancellation, timeoutNanos);
    }

    @Override
    public SearchResult none() {
      return new SearchResult(new long[0], new float[0], 0, 0, 0, 0);
    }

    @Override
    public SearchResult none(SearchRequest request, int dim) {
      float[] array = request.array();
      checkEmpty(
          dim, array != null ? array.length : (int) (segment(request).byteSize() / Float.BYTES));
      return none();
    }

    @Override
    public BatchResult none(Vectors queries, SearchRequest template, int dim) {
      checkEmpty(dim, queries.dim());
      int places = Math.toIntExact(Math.multiplyExact(queries.rows(), (long) template.k()));
      long[] ids = new long[places];
      float[] scores = new float[places];
      Arrays.fill(ids, -1);
      Arrays.fill(scores, Float.POSITIVE_INFINITY);
      int[] counts = new int[(int) queries.rows()];
      return new BatchResult(template.k(), ids, scores, counts, new SearchStats(0, 0, 0, 0));
    }

    private static void checkEmpty(int dim, int actual) {
      if (dim != 0 && actual != dim) {
        throw new DimensionMismatchException(dim, actual);
      }
    }

    @Override
    public SearchRequest detached(SearchRequest request) {
      return request.detached();
    }

    @Override
    public long timeoutNanos(SearchRequest request) {
      return request.parameters().timeoutNanos();
    }

    @Override
    public float[] query(SearchRequest request) {
      if (request.array() != null) {
        return request.array().clone();
      }
      MemorySegment query = segment(request);
      if (!query.isAccessibleBy(Thread.currentThread())) {
        // Its thread is the one that waits for this call.
        query = MemorySegment.ofAddress(query.address()).reinterpret(query.byteSize());
      }
      return query.toArray(ValueLayout.JAVA_FLOAT);
    }

    @Override
    public IdFilter filter(SearchRequest request) {
      if (request.preparedFilter() != null) {
        throw Checks.illegal(
            "filter", "prepared for one index", "an IdFilter: what is searched may change");
      }
      return request.idFilter() == null ? IdFilter.all() : request.idFilter();
    }

    @Override
    public SearchResult result(long[] ids, float[] scores) {
      return new SearchResult(ids, scores, 0, 0, 0, 0);
    }

    @Override
    public Rows rows(Vectors vectors) {
      return vectors.nativeRows("rows");
    }

    @Override
    public RowIds ids(Ids ids, long rows, Arena arena) {
      return ids.forRows(rows, arena);
    }

    @Override
    public NativeIndex.Options options(IndexKind kind, IndexOptions options) {
      return nativeOptions(kind, 1, options);
    }

    @Override
    public void checkShareable(Vectors vectors) {
      vectors.checkShareable("queries");
    }
  }
}
