package io.ruvector.bench.peers;

/**
 * recall@10: how many of the true 10 are among the hits; a row as near as the last of them counts.
 */
final class Recall {
  private static final double TIE = 1 + 1e-6;
  private static final int NEAREST = 10;

  private final float[][] base;
  private final float[][] queries;
  private final int nearest;
  private final double[] limits;

  Recall(float[][] base, float[][] queries, int[] truth, int columns, int k) {
    this.base = base;
    this.queries = queries;
    this.nearest = Math.min(Math.min(NEAREST, k), columns);
    this.limits = new double[queries.length];
    for (int i = 0; i < limits.length; i++) {
      limits[i] = TIE * distance(i, truth[i * columns + nearest - 1]);
    }
  }

  int queries() {
    return queries.length;
  }

  double of(int query, int[] rows) {
    int found = 0;
    for (int row : rows) {
      if (distance(query, row) <= limits[query]) {
        found++;
      }
    }
    return (double) Math.min(found, nearest) / nearest;
  }

  private double distance(int query, int row) {
    double sum = 0;
    for (int i = 0; i < base[row].length; i++) {
      double difference = (double) queries[query][i] - base[row][i];
      sum += difference * difference;
    }
    return sum;
  }
}
