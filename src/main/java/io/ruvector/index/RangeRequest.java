package io.ruvector.index;

import io.ruvector.internal.Checks;
import java.time.Duration;

/**
 * A search for all rows within a radius. Immutable: each method that sets something returns another
 * request. The query is not copied: it must not change while a search with it runs.
 */
public final class RangeRequest {
  private static final int DEFAULT_LIMIT = 1_000;

  /** The query with everything that both kinds of request have; its k is not used. */
  private final SearchRequest base;

  private final float[] query;
  private final float radius;
  private final int limit;

  private RangeRequest(SearchRequest base, float[] query, float radius, int limit) {
    this.base = base;
    this.query = query;
    this.radius = radius;
    this.limit = limit;
  }

  /**
   * A request for the rows whose score is at most the radius, up to 1,000 of them.
   *
   * @param query as many components as the index has; not copied
   * @param radius the largest score, in the units of the index's metric (squared, for L2); any
   *     number but NaN
   * @throws IllegalArgumentException if {@code radius} is NaN
   */
  public static RangeRequest of(float[] query, float radius) {
    if (Float.isNaN(radius)) {
      throw Checks.illegal("radius", radius, "any number");
    }
    return new RangeRequest(SearchRequest.of(query), query, radius, DEFAULT_LIMIT);
  }

  /**
   * This request with another limit; {@link RangeResult#truncated()} says whether it was reached.
   *
   * @param limit the most hits, 1 or more; memory for so many is set aside
   * @throws IllegalArgumentException if {@code limit} is less than 1
   */
  public RangeRequest limit(int limit) {
    Checks.inRange("limit", limit, 1, Integer.MAX_VALUE);
    return new RangeRequest(base, query, radius, limit);
  }

  /**
   * This request with another multiplier of the error bounds: larger finds more and costs more.
   *
   * @param epsilon 0 to 16
   * @throws IllegalArgumentException if {@code epsilon} is out of range
   */
  public RangeRequest epsilon(float epsilon) {
    return with(base.epsilon(epsilon));
  }

  /**
   * This request among these ids only, in place of any filter before.
   *
   * @param filter the ids that may be hits
   */
  public RangeRequest filter(IdFilter filter) {
    return with(base.filter(filter));
  }

  /**
   * This request among the ids of a prepared filter only, in place of any filter before.
   *
   * @param filter prepared for the index that is searched
   */
  public RangeRequest filter(PreparedFilter filter) {
    return with(base.filter(filter));
  }

  /**
   * This request with a limit of time.
   *
   * @param timeout more than zero
   * @throws IllegalArgumentException if {@code timeout} is zero or negative
   */
  public RangeRequest timeout(Duration timeout) {
    return with(base.timeout(timeout));
  }

  private RangeRequest with(SearchRequest base) {
    return new RangeRequest(base, query, radius, limit);
  }

  SearchRequest base() {
    return base;
  }

  float[] query() {
    return query;
  }

  float radius() {
    return radius;
  }

  int limit() {
    return limit;
  }
}
