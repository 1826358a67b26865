package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.DeadlineExceededException;
import io.ruvector.oracle.BruteForce;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Tuning of small indexes, judged again by brute force. */
class TuneTest {
  private static final int DIM = 32;
  private static final int ROWS = 3_000;
  private static final int QUERIES = 120;
  private static final int K = 10;
  private static final IdFilter ALL = IdFilter.all();

  private static float[][] vectors(String name, int rows) {
    return Data.vectors(Seed.random(name), rows, DIM);
  }

  private static TuneRequest request(float[][] queries, double recall) {
    return TuneRequest.of(Vectors.copyOf(queries), recall);
  }

  /** The true ids of each query, row after row. */
  private static long[] truth(BruteForce oracle, float[][] queries, int k) {
    return Arrays.stream(queries)
        .flatMap(query -> oracle.search(query, k, ALL).stream())
        .mapToLong(Hit::id)
        .toArray();
  }

  /** The recall of the queries that judge: every second one. */
  private static double judged(
      VectorIndex index, Tuning tuning, BruteForce oracle, float[][] queries, SearchRequest base) {
    double sum = 0;
    int count = 0;
    IdFilter filter = base.idFilter() == null ? ALL : base.idFilter();
    for (int i = 1; i < queries.length; i += 2) {
      SearchResult found = index.search(tuning.best().apply(base.query(queries[i])));
      sum += oracle.recall(found, queries[i], base.k(), filter);
      count++;
    }
    assertEquals(count, tuning.best().queries());
    return sum / count;
  }

  private static void checkShape(Tuning tuning) {
    Tuning.Point best = tuning.best();
    assertTrue(best.recallLow() <= best.recall() && best.recall() <= best.recallHigh());
    assertTrue(best.qps() > 0 && best.p50().isPositive());
    assertTrue(best.p50().compareTo(best.p99()) <= 0);
    assertFalse(tuning.curve().isEmpty());
    for (int i = 1; i < tuning.curve().size(); i++) {
      assertTrue(tuning.curve().get(i - 1).recall() <= tuning.curve().get(i).recall());
    }
    // What was chosen is on the curve, as other queries found it.
    assertTrue(
        tuning.curve().stream()
            .anyMatch(
                point ->
                    point.epsilon() == best.epsilon()
                        && point.nprobe() == best.nprobe()
                        && point.rerankFactor() == best.rerankFactor()));
  }

  static Stream<Arguments> kindsAndMetrics() {
    return Kinds.kindsAndMetrics();
  }

  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void reportsTheRecallOfTheQueriesThatJudge(IndexKind kind, Metric metric) {
    float[][] rows = vectors("rows", ROWS);
    float[][] queries = vectors("queries", QUERIES);
    var oracle = BruteForce.of(metric, rows);
    try (var index = Kinds.build(kind, rows, IndexOptions.of(metric))) {
      TuneRequest request = request(queries, .9);
      if (!kind.keepsOriginals()) {
        request = request.truth(truth(oracle, queries, K + 3));
      }
      Tuning tuning = index.tune(request);
      checkShape(tuning);
      double judged = judged(index, tuning, oracle, queries, SearchRequest.template());
      assertEquals(judged, tuning.best().recall(), 1e-9);
      assertEquals(judged >= .9, tuning.reached());
      if (kind.keepsOriginals()) {
        // It was chosen with a margin that is rarely used up.
        assertTrue(judged >= .86, tuning.toString());
      }
      if (kind == IndexKind.RABITQ) {
        assertFalse(tuning.reached(), tuning.toString());
        assertEquals(1, tuning.curve().size());
      }
    }
  }

  @Test
  void aLowerRecallIsReachedWithSmallerSettings() {
    float[][] rows = vectors("rows", 20_000);
    float[][] queries = vectors("queries", QUERIES);
    try (var index = RabitqPlusIndex.build(Vectors.copyOf(rows), IndexOptions.defaults())) {
      Tuning low = index.tune(request(queries, .7));
      Tuning high = index.tune(request(queries, 1));
      assertTrue(low.best().epsilon() < high.best().epsilon(), low + " and " + high);
      assertTrue(low.best().recall() < high.best().recall(), low + " and " + high);
      assertTrue(high.best().recall() >= .99, high.toString());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"RABITQ_ASYM", "RABITQ_PLUS"})
  void forAFilterAndAnotherK(IndexKind kind) {
    float[][] rows = vectors("rows", ROWS);
    float[][] queries = vectors("queries", QUERIES);
    var oracle = BruteForce.of(Metric.L2, rows);
    IdFilter filter = IdFilter.range(500, 2_500);
    var template = SearchRequest.template().k(3).filter(filter);
    try (var index = Kinds.build(kind, rows, IndexOptions.defaults());
        PreparedFilter prepared = index.prepare(filter)) {
      TuneRequest request = request(queries, .8);
      if (!kind.keepsOriginals()) {
        long[] truth =
            Arrays.stream(queries)
                .flatMap(query -> oracle.search(query, 3, filter).stream())
                .mapToLong(Hit::id)
                .toArray();
        request = request.truth(truth);
      }
      for (SearchRequest base : new SearchRequest[] {template, template.filter(prepared)}) {
        Tuning tuning = index.tune(request.template(base));
        double judged = judged(index, tuning, oracle, queries, template);
        assertEquals(judged, tuning.best().recall(), 1e-9);
      }
    }
  }

  /** What the caller knows to be true and what a scan finds are the same, ties included. */
  @Test
  void givenTruth() {
    float[][] some = vectors("rows", ROWS / 3);
    float[][] rows = new float[ROWS][];
    Arrays.setAll(rows, i -> some[i % some.length]);
    float[][] queries = vectors("queries", QUERIES);
    var oracle = BruteForce.of(Metric.L2, rows);
    try (var index = RabitqPlusIndex.build(Vectors.copyOf(rows), IndexOptions.defaults())) {
      var template = SearchRequest.template().k(4);
      TuneRequest request = request(queries, .9).template(template);
      for (TuneRequest one :
          new TuneRequest[] {request, request.truth(truth(oracle, queries, 4))}) {
        Tuning tuning = index.tune(one);
        double judged = judged(index, tuning, oracle, queries, template);
        assertEquals(judged, tuning.best().recall(), 1e-9);
        assertTrue(judged > .8, tuning.toString());
      }
    }
  }

  @Test
  void fewerRowsThanK() {
    float[][] queries = vectors("queries", QUERIES);
    for (IndexKind kind : IndexKind.values()) {
      try (var index = Kinds.build(kind, vectors("rows", 3), IndexOptions.defaults())) {
        TuneRequest request = request(queries, .9);
        if (!kind.keepsOriginals()) {
          request = request.truth(truth(BruteForce.of(Metric.L2, vectors("rows", 3)), queries, 3));
        }
        Tuning tuning = index.tune(request);
        assertEquals(1, tuning.best().recall());
        assertTrue(tuning.reached());
      }
    }
  }

  @Test
  void badInput() {
    float[][] queries = vectors("queries", QUERIES);
    Vectors view = Vectors.copyOf(queries);
    assertThrows(
        IllegalArgumentException.class,
        () -> TuneRequest.of(Vectors.copyOf(Arrays.copyOf(queries, 39)), .9));
    for (double recall : new double[] {0, -1, 1.01, Double.NaN}) {
      assertThrows(IllegalArgumentException.class, () -> TuneRequest.of(view, recall));
    }
    TuneRequest request = request(queries, .9);
    assertThrows(IllegalArgumentException.class, () -> request.truth(new long[0]));
    assertThrows(IllegalArgumentException.class, () -> request.truth(new long[] {1, 2, 3}));
    assertThrows(IllegalArgumentException.class, () -> request.maxDuration(Duration.ZERO));
    Random random = Seed.random("badInput");
    try (var empty = RabitqIndex.create(DIM, IndexOptions.defaults());
        var codes = Kinds.build(IndexKind.RABITQ, vectors("rows", ROWS), IndexOptions.defaults());
        var other =
            Kinds.build(
                IndexKind.RABITQ_PLUS, Data.vectors(random, 9, DIM + 1), IndexOptions.defaults())) {
      assertThrows(EmptyIndexException.class, () -> empty.tune(request));
      assertThrows(DimensionMismatchException.class, () -> other.tune(request));
      String message =
          assertThrows(IllegalArgumentException.class, () -> codes.tune(request)).getMessage();
      assertTrue(message.startsWith("truth is not given"), message);
      assertThrows(
          IllegalArgumentException.class, () -> codes.tune(request.truth(new long[QUERIES])));
      long[] unknown = new long[QUERIES * K];
      Arrays.fill(unknown, ROWS);
      message =
          assertThrows(IllegalArgumentException.class, () -> codes.tune(request.truth(unknown)))
              .getMessage();
      assertTrue(message.contains("the id " + ROWS), message);
    }
  }

  @Test
  void tooShortATime() {
    float[][] queries = vectors("queries", QUERIES);
    try (var index =
        Kinds.build(IndexKind.RABITQ_PLUS, vectors("rows", ROWS), IndexOptions.defaults())) {
      TuneRequest request = request(queries, .9).maxDuration(Duration.ofNanos(1));
      assertThrows(DeadlineExceededException.class, () -> index.tune(request));
    }
  }
}
