package io.ruvector.index;

import io.ruvector.internal.Checks;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What an index is to be tuned for. Immutable: each method that sets something returns another
 * request. Nothing is copied: queries and truth must not change while the index is tuned.
 */
public final class TuneRequest {
  /** Fewer queries than this say too little of a recall. */
  private static final int MIN_QUERIES = 40;

  private final Vectors queries;
  private final double recall;
  private final SearchRequest template;
  private final long @Nullable [] truth;
  private final Duration maxDuration;

  private TuneRequest(
      Vectors queries,
      double recall,
      SearchRequest template,
      long @Nullable [] truth,
      Duration maxDuration) {
    this.queries = queries;
    this.recall = recall;
    this.template = template;
    this.truth = truth;
    this.maxDuration = maxDuration;
  }

  /**
   * A request for the cheapest settings that find this part of the true 10 nearest rows, within a
   * minute.
   *
   * @param queries 40 or more, as they will be asked, and not rows of the index; half of them
   *     choose the settings, and the others judge the choice. Of more than 1,000, as many are
   *     taken, evenly spread
   * @param recall above 0, at most 1
   * @throws IllegalArgumentException if there are too few queries, or {@code recall} is out of
   *     range
   */
  public static TuneRequest of(Vectors queries, double recall) {
    if (queries.rows() < MIN_QUERIES) {
      throw Checks.illegal("queries", queries.rows() + " rows", MIN_QUERIES + " rows or more");
    }
    SearchRequest.checkRecall(recall);
    return new TuneRequest(queries, recall, SearchRequest.template(), null, Duration.ofMinutes(1));
  }

  /**
   * This request for searches with another k or a filter.
   *
   * @param template its k and filter are those of the searches; its query and other settings are
   *     not used
   */
  public TuneRequest template(SearchRequest template) {
    return new TuneRequest(queries, recall, template, truth, maxDuration);
  }

  /**
   * This request with the true neighbours of its queries, which an index without originals needs.
   * Without them, all originals are compared with all queries.
   *
   * @param ids the nearest rows of each query, nearest first, as many for each, and as many as the
   *     template's k at least: what {@link BatchResult#ids()} of a {@link FlatF32Index} is
   * @throws IllegalArgumentException if there are not as many for each query
   */
  public TuneRequest truth(long[] ids) {
    if (ids.length == 0 || ids.length % queries.rows() != 0) {
      throw Checks.illegal(
          "truth",
          ids.length + " ids",
          "as many for each of the %d queries".formatted(queries.rows()));
    }
    return new TuneRequest(queries, recall, template, ids, maxDuration);
  }

  /**
   * This request with another limit of time.
   *
   * @param maxDuration more than zero; where it is short, fewer settings are tried
   * @throws IllegalArgumentException if it is zero or negative
   */
  public TuneRequest maxDuration(Duration maxDuration) {
    SearchRequest.nanos(maxDuration);
    return new TuneRequest(queries, recall, template, truth, maxDuration);
  }

  Vectors queries() {
    return queries;
  }

  double recall() {
    return recall;
  }

  SearchRequest template() {
    return template;
  }

  long @Nullable [] trueIds() {
    return truth;
  }

  Duration maxDuration() {
    return maxDuration;
  }
}
