package io.ruvector.index;

import io.ruvector.DeadlineExceededException;
import io.ruvector.internal.Checks;
import java.time.Duration;
import java.util.Arrays;

/**
 * What the nearest rows of some queries truly are: by the score of the last of them where scores
 * are exact, so that ties count, and by their ids where scores are estimates.
 */
final class TrueNeighbours {
  /** A score as near to the limit as this, relative to it, is a tie. */
  private static final double TIE = 1e-6;

  private final double[] limits;
  private final long[][] ids;
  private final int[] counts;

  private TrueNeighbours(double[] limits, long[][] ids, int[] counts) {
    this.limits = limits;
    this.ids = ids;
    this.counts = counts;
  }

  /**
   * By comparing every original with every query.
   *
   * @param template the k and the filter
   * @param end the {@link System#nanoTime()} to be done by
   */
  static TrueNeighbours scan(
      VectorIndex index, float[][] queries, SearchRequest template, long end) {
    long left = end - System.nanoTime();
    if (left <= 0) {
      throw new DeadlineExceededException("time is up before the true neighbours are found");
    }
    SearchRequest exact = SearchRequest.template().k(template.k()).recall(1);
    BatchResult found =
        index.searchBatch(
            Vectors.copyOf(queries), filtered(exact, template).timeout(Duration.ofNanos(left)));
    int[] counts = found.counts();
    double[] limits = new double[queries.length];
    for (int i = 0; i < queries.length; i++) {
      limits[i] =
          counts[i] == 0
              ? Double.NEGATIVE_INFINITY
              : limit(found.scores()[i * found.k() + counts[i] - 1]);
    }
    return new TrueNeighbours(limits, new long[0][], counts);
  }

  private static SearchRequest filtered(SearchRequest request, SearchRequest template) {
    PreparedFilter prepared = template.preparedFilter();
    IdFilter filter = prepared != null ? prepared.filter() : template.idFilter();
    return filter == null ? request : request.filter(filter);
  }

  private static double limit(double score) {
    return score + Math.abs(score) * TIE;
  }

  /**
   * As the caller tells.
   *
   * @param ids the nearest rows of each query, nearest first
   */
  static TrueNeighbours given(VectorIndex index, float[][] queries, int k, long[][] ids) {
    long[][] nearest = new long[ids.length][];
    int[] counts = new int[ids.length];
    double[] limits = new double[index.info().originals() == Originals.NONE ? 0 : ids.length];
    for (int i = 0; i < ids.length; i++) {
      if (ids[i].length < k) {
        throw Checks.illegal(
            "truth", ids[i].length + " ids a query", "k = %d or more".formatted(k));
      }
      nearest[i] = Arrays.copyOf(ids[i], k);
      for (long id : nearest[i]) {
        if (!index.contains(id)) {
          throw Checks.illegal("truth", "the id " + id, "ids that are in the index");
        }
      }
      counts[i] = k;
      if (limits.length > 0) {
        // So few rows are compared exactly.
        SearchResult exact =
            index.search(SearchRequest.of(queries[i]).k(k).filter(IdFilter.of(nearest[i])));
        limits[i] = limit(exact.scores()[exact.size() - 1]);
      }
      Arrays.sort(nearest[i]);
    }
    return new TrueNeighbours(limits, nearest, counts);
  }

  /** The part of a query's true neighbours that is among its hits. */
  double recall(int query, long[] hitIds, float[] hitScores, int hits) {
    if (counts[query] == 0) {
      return 1;
    }
    int found = 0;
    for (int i = 0; i < hits; i++) {
      boolean isTrue =
          limits.length > 0
              ? hitScores[i] <= limits[query]
              : Arrays.binarySearch(ids[query], hitIds[i]) >= 0;
      found += isTrue ? 1 : 0;
    }
    return (double) Math.min(found, counts[query]) / counts[query];
  }
}
