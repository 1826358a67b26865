package io.ruvector.index;

import java.time.Duration;
import java.util.List;

/**
 * What {@link VectorIndex#tune(TuneRequest)} found.
 *
 * {@snippet lang=java :
 * Tuning tuning = index.tune(Vectors.copyOf(rows), 0.95);
 * SearchResult top = index.search(tuning.best().apply(SearchRequest.of(query).k(10)));
 * }
 *
 * @param reached whether the best settings reached the recall on the queries that judged them
 * @param best the cheapest settings that should reach the recall or, where none do, the cheapest of
 *     those with the highest recall; measured on the queries that judge, which took no part in the
 *     choice
 * @param curve all settings that were tried, measured on the queries that choose, by recall
 */
public record Tuning(boolean reached, Point best, List<Point> curve) {
  /** Copies the list. */
  public Tuning {
    curve = List.copyOf(curve);
  }

  /**
   * Settings of searches, and what was measured with them: one call for each query, on one thread.
   *
   * @param epsilon the multiplier of the error bounds; the index's own where its kind uses none
   * @param nprobe cells to look into at most; 0: the kind has no cells
   * @param rerankFactor the cap of exact comparisons as a multiple of k; the index's own where its
   *     kind makes none
   * @param queries how many queries were measured
   * @param recall the mean part of the true k nearest rows that was found; a row as near as the
   *     last of them is a true one
   * @param recallLow where the 95% confidence interval of the recall begins
   * @param recallHigh where it ends
   * @param qps queries per second, the median of some passes
   * @param p50 the time that half of the searches took at most
   * @param p99 the time that 99 of 100 searches took at most
   */
  public record Point(
      float epsilon,
      int nprobe,
      int rerankFactor,
      int queries,
      double recall,
      double recallLow,
      double recallHigh,
      double qps,
      Duration p50,
      Duration p99) {
    /**
     * A request with these settings.
     *
     * @param request with a query or without; its other settings stay as they are
     */
    public SearchRequest apply(SearchRequest request) {
      return new Setting(epsilon, nprobe, rerankFactor).apply(request);
    }
  }

  /** What can be set for a search. */
  record Setting(float epsilon, int nprobe, int rerankFactor) {
    SearchRequest apply(SearchRequest request) {
      SearchRequest applied = request.epsilon(epsilon).rerankFactor(rerankFactor);
      return nprobe > 0 ? applied.nprobe(nprobe) : applied;
    }
  }
}
