package io.ruvector.cli;

import io.ruvector.index.Metric;
import io.ruvector.index.Vectors;

/** Counts true neighbours among hits; a row as near as the last of the true ones is true too. */
final class Recall {
  private static final double TIE = 1e-6;

  private final Vectors base;
  private final float[][] queries;
  private final Metric metric;
  private final int nearest;
  private final double[] limits;

  /**
   * Reads the true neighbours.
   *
   * @param nearest of how many of them the recall is, however many hits there are beyond
   */
  Recall(Vectors base, float[][] queries, DataFile.Truth truth, Metric metric, int nearest) {
    this.base = base;
    this.queries = queries;
    this.metric = metric;
    this.nearest = Math.min(nearest, truth.columns());
    this.limits = new double[queries.length];
    for (int i = 0; i < queries.length; i++) {
      double last = distance(i, truth.row(i, nearest - 1));
      limits[i] = last + Math.abs(last) * TIE;
    }
  }

  /** The part of this query's true neighbours that is among its hits. */
  double of(int query, long[] ids, int hits) {
    int found = 0;
    for (int i = 0; i < hits; i++) {
      if (distance(query, ids[i]) <= limits[query]) {
        found++;
      }
    }
    return (double) Math.min(found, nearest) / nearest;
  }

  private double distance(int query, long row) {
    float[] a = queries[query];
    float[] b = base.row(row);
    double squares = 0;
    double product = 0;
    double squareA = 0;
    double squareB = 0;
    for (int i = 0; i < a.length; i++) {
      double difference = (double) a[i] - b[i];
      squares += difference * difference;
      product += (double) a[i] * b[i];
      squareA += (double) a[i] * a[i];
      squareB += (double) b[i] * b[i];
    }
    return switch (metric) {
      case L2 -> squares;
      case COSINE -> 1 - product / Math.sqrt(squareA * squareB);
      case INNER_PRODUCT -> -product;
    };
  }
}
