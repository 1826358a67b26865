package io.ruvector.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.index.Hit;
import io.ruvector.index.IdFilter;
import io.ruvector.index.Metric;
import io.ruvector.index.SearchResult;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The truth: every row compared in double precision. */
public final class BruteForce {
  /** Single precision over thousands of components, relative to the sizes of the vectors. */
  private static final double TOLERANCE = 2e-5;

  private final Metric metric;
  private final TreeMap<Long, float[]> rows = new TreeMap<>();

  public BruteForce(Metric metric) {
    this.metric = metric;
  }

  public static BruteForce of(Metric metric, float[][] vectors) {
    var oracle = new BruteForce(metric);
    for (int i = 0; i < vectors.length; i++) {
      oracle.put(i, vectors[i]);
    }
    return oracle;
  }

  public void put(long id, float[] vector) {
    rows.put(id, vector.clone());
  }

  public boolean remove(long id) {
    return rows.remove(id) != null;
  }

  public Map<Long, float[]> rows() {
    return rows;
  }

  public double score(float[] query, float[] vector) {
    double square = 0;
    double product = 0;
    double queryNorm = 0;
    double norm = 0;
    for (int i = 0; i < query.length; i++) {
      double difference = (double) query[i] - vector[i];
      square += difference * difference;
      product += (double) query[i] * vector[i];
      queryNorm += (double) query[i] * query[i];
      norm += (double) vector[i] * vector[i];
    }
    return switch (metric) {
      case L2 -> square;
      case COSINE -> 1 - product / Math.sqrt(queryNorm * norm);
      case INNER_PRODUCT -> -product;
    };
  }

  /** What a score may be off by: rounding is relative to the terms, not to their sum. */
  private double tolerance(float[] query, float[] vector) {
    double queryNorm = norm(query);
    double norm = norm(vector);
    return switch (metric) {
          case L2 -> TOLERANCE * (queryNorm + norm) * (queryNorm + norm);
          case COSINE -> TOLERANCE;
          case INNER_PRODUCT -> TOLERANCE * queryNorm * norm;
        }
        + Float.MIN_NORMAL;
  }

  private static double norm(float[] vector) {
    double sum = 0;
    for (float x : vector) {
      sum += (double) x * x;
    }
    return Math.sqrt(sum);
  }

  public List<Hit> search(float[] query, int k, IdFilter filter) {
    return rows.entrySet().stream()
        .filter(row -> filter.contains(row.getKey()))
        .map(row -> Map.entry(row.getKey(), score(query, row.getValue())))
        .sorted(
            Comparator.<Map.Entry<Long, Double>>comparingDouble(Map.Entry::getValue)
                .thenComparing(Map.Entry::getKey))
        .limit(k)
        .map(row -> new Hit(row.getKey(), row.getValue().floatValue()))
        .toList();
  }

  /** Asserts what holds for every kind: as many hits as there are, live, distinct, in order. */
  public void checkHits(SearchResult result, float[] query, int k, IdFilter filter) {
    long allowed = rows.keySet().stream().filter(filter::contains).count();
    assertEquals(Math.min(k, allowed), result.size(), () -> "hits of " + result);
    assertEquals(result.size(), result.scores().length);
    Set<Long> seen = new HashSet<>();
    for (int i = 0; i < result.size(); i++) {
      long id = result.ids()[i];
      assertTrue(rows.containsKey(id), () -> id + " is not in the index");
      assertTrue(filter.contains(id), () -> id + " is not allowed");
      assertTrue(seen.add(id), () -> id + " came twice");
      if (i > 0) {
        float before = result.scores()[i - 1];
        float score = result.scores()[i];
        assertTrue(
            before < score || (before == score && result.ids()[i - 1] < id),
            () -> "out of order: " + result);
      }
    }
  }

  /** Asserts that these are the nearest rows, but for the rounding of their scores. */
  public void checkExact(SearchResult result, float[] query, int k, IdFilter filter) {
    checkHits(result, query, k, filter);
    List<Hit> truth = search(query, k, filter);
    for (int i = 0; i < result.size(); i++) {
      float[] vector = rows.get(result.ids()[i]);
      double tolerance = tolerance(query, vector);
      int rank = i;
      assertEquals(
          score(query, vector),
          result.scores()[i],
          tolerance,
          () -> "score at rank %d of %s".formatted(rank, result));
      assertEquals(
          truth.get(i).score(),
          result.scores()[i],
          2 * tolerance,
          () -> "rank %d of %s, expected %s".formatted(rank, result, truth));
    }
  }

  /** The share of the true k nearest rows that were found; a tie with the last counts. */
  public double recall(SearchResult result, float[] query, int k, IdFilter filter) {
    List<Hit> truth = search(query, k, filter);
    if (truth.isEmpty()) {
      return 1;
    }
    double worst = truth.getLast().score();
    long found =
        Arrays.stream(result.ids())
            .limit(k)
            .filter(
                id ->
                    score(query, rows.get(id)) <= worst + 1e-6 * Math.abs(worst) + Float.MIN_NORMAL)
            .count();
    return (double) found / truth.size();
  }
}
