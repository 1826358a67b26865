package io.ruvector.index;

import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeIndex.Parameters;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What to search for, and how. Immutable: each method that sets something returns another request.
 *
 * <p>The query is not copied: it must not change while a search with it runs. An asynchronous
 * search copies it when it is submitted.
 *
 * {@snippet lang=java :
 * var request = SearchRequest.of(query).k(10).epsilon(1.5f).filter(IdFilter.range(0, 500_000));
 * SearchResult top = index.search(request);
 * }
 */
public final class SearchRequest {
  private static final int DEFAULT_K = 10;
  private static final SearchRequest TEMPLATE =
      new SearchRequest(null, null, DEFAULT_K, Parameters.DEFAULTS, null, null);

  private final float @Nullable [] array;
  private final @Nullable MemorySegment segment;
  private final int k;

  /** All but the filter: which native one it is depends on the index. */
  private final Parameters parameters;

  private final @Nullable IdFilter filter;
  private final @Nullable PreparedFilter prepared;

  private SearchRequest(
      float @Nullable [] array,
      @Nullable MemorySegment segment,
      int k,
      Parameters parameters,
      @Nullable IdFilter filter,
      @Nullable PreparedFilter prepared) {
    this.array = array;
    this.segment = segment;
    this.k = k;
    this.parameters = parameters;
    this.filter = filter;
    this.prepared = prepared;
  }

  /**
   * A request for the 10 rows nearest to the query, with the index's defaults.
   *
   * @param query as many components as the index has; not copied
   */
  public static SearchRequest of(float[] query) {
    return new SearchRequest(query, null, DEFAULT_K, Parameters.DEFAULTS, null, null);
  }

  /**
   * A request for the 10 rows nearest to the query, with the index's defaults.
   *
   * @param query off-heap floats in the machine's byte order, at an address that is a multiple of
   *     4, as many as the index has components; not copied
   * @throws IllegalArgumentException if the memory is on the heap, misaligned, or not a whole
   *     number of floats
   */
  public static SearchRequest of(MemorySegment query) {
    Checks.nativeMemory("query", query, Float.BYTES);
    if (query.byteSize() % Float.BYTES != 0) {
      throw Checks.illegal("query", query.byteSize() + " bytes", "multiples of 4 bytes");
    }
    return new SearchRequest(null, query, DEFAULT_K, Parameters.DEFAULTS, null, null);
  }

  /** A request without a query, for batches: each has its own. */
  public static SearchRequest template() {
    return TEMPLATE;
  }

  /**
   * This request with another query.
   *
   * @param query as many components as the index has; not copied
   */
  public SearchRequest query(float[] query) {
    return new SearchRequest(query, null, k, parameters, filter, prepared);
  }

  /**
   * This request for another number of hits.
   *
   * @param k how many, 1 or more
   * @throws IllegalArgumentException if {@code k} is less than 1
   */
  public SearchRequest k(int k) {
    checkK(k);
    return new SearchRequest(array, segment, k, parameters, filter, prepared);
  }

  /**
   * This request with a target: the part of the true k nearest rows to find. It chooses what of
   * {@link #epsilon(float)}, {@link #nprobe(int)} and {@link #rerankFactor(int)} this request does
   * not name, in place of the index's defaults, by the model of {@link VectorIndex#recommend}: what
   * found as much on each of the sets that were measured, real vectors under L2. Other vectors may
   * give less or, more often, have been searched longer than they need; {@link VectorIndex#tune}
   * measures.
   *
   * <p>1 compares all rows exactly. A {@link FlatF32Index} always does.
   *
   * @param recall above 0, at most 1
   * @throws IllegalArgumentException if {@code recall} is out of range
   */
  public SearchRequest recall(double recall) {
    return with(
        new Parameters(
            checkRecall(recall),
            parameters.epsilon(),
            parameters.rerankFactor(),
            parameters.nprobe(),
            parameters.filter(),
            parameters.timeoutNanos(),
            null));
  }

  /**
   * This request with another multiplier of the error bounds: larger finds more and costs more.
   *
   * @param epsilon 0 to 16
   * @throws IllegalArgumentException if {@code epsilon} is out of range
   */
  public SearchRequest epsilon(float epsilon) {
    IndexOptions.checkEpsilon(epsilon);
    return with(
        new Parameters(
            parameters.recall(),
            epsilon,
            parameters.rerankFactor(),
            parameters.nprobe(),
            parameters.filter(),
            parameters.timeoutNanos(),
            null));
  }

  /**
   * This request with another cap of exact comparisons.
   *
   * @param rerankFactor the cap as a multiple of k, 1 to 65,536
   * @throws IllegalArgumentException if {@code rerankFactor} is out of range
   */
  public SearchRequest rerankFactor(int rerankFactor) {
    IndexOptions.checkRerankFactor(rerankFactor);
    return with(
        new Parameters(
            parameters.recall(),
            parameters.epsilon(),
            rerankFactor,
            parameters.nprobe(),
            parameters.filter(),
            parameters.timeoutNanos(),
            null));
  }

  /**
   * This request with another number of cells of an {@link IvfIndex} to look into: more find more
   * and cost more. A search stops before where the other cells lie much further than the nearest,
   * unless all of them are wanted; it looks into more where these hold fewer than k hits. Kinds
   * without cells do not use it.
   *
   * @param nprobe how many at most, 1 to 65,536
   * @throws IllegalArgumentException if {@code nprobe} is out of range
   */
  public SearchRequest nprobe(int nprobe) {
    IndexOptions.checkNprobe(nprobe, 1);
    return with(
        new Parameters(
            parameters.recall(),
            parameters.epsilon(),
            parameters.rerankFactor(),
            nprobe,
            parameters.filter(),
            parameters.timeoutNanos(),
            null));
  }

  /**
   * This request among these ids only, in place of any filter before.
   *
   * @param filter the ids that may be hits
   */
  public SearchRequest filter(IdFilter filter) {
    return new SearchRequest(array, segment, k, parameters, filter.isAll() ? null : filter, null);
  }

  /**
   * This request among the ids of a prepared filter only, in place of any filter before.
   *
   * @param filter prepared for the index that is searched
   */
  public SearchRequest filter(PreparedFilter filter) {
    return new SearchRequest(array, segment, k, parameters, null, filter);
  }

  /**
   * This request with a limit of time: from the call, or for an asynchronous search from its
   * submission.
   *
   * @param timeout more than zero
   * @throws IllegalArgumentException if {@code timeout} is zero or negative
   */
  public SearchRequest timeout(Duration timeout) {
    return with(
        new Parameters(
            parameters.recall(),
            parameters.epsilon(),
            parameters.rerankFactor(),
            parameters.nprobe(),
            parameters.filter(),
            nanos(timeout),
            null));
  }

  /** A limit of time in nanoseconds; beyond 292 years, it is as many as a long holds. */
  static long nanos(Duration timeout) {
    return Checks.positiveNanos("timeout", timeout);
  }

  /** A target as the native side takes it, where none is 0. */
  static float checkRecall(double recall) {
    if (recall <= 1 && (float) recall > 0) {
      return (float) recall;
    }
    throw Checks.illegal("recall", recall, "above 0, at most 1");
  }

  static int checkK(int k) {
    return Checks.inRange("k", k, 1, Integer.MAX_VALUE);
  }

  private SearchRequest with(Parameters parameters) {
    return new SearchRequest(array, segment, k, parameters, filter, prepared);
  }

  /** This request with a query of its own, which nobody else can change. */
  SearchRequest detached() {
    if (array != null) {
      return new SearchRequest(array.clone(), null, k, parameters, filter, prepared);
    }
    if (segment != null) {
      return new SearchRequest(
          segment.toArray(ValueLayout.JAVA_FLOAT), null, k, parameters, filter, prepared);
    }
    return this;
  }

  /** How many hits are asked for. */
  public int k() {
    return k;
  }

  float @Nullable [] array() {
    return array;
  }

  @Nullable MemorySegment segment() {
    return segment;
  }

  Parameters parameters() {
    return parameters;
  }

  @Nullable IdFilter idFilter() {
    return filter;
  }

  @Nullable PreparedFilter preparedFilter() {
    return prepared;
  }
}
