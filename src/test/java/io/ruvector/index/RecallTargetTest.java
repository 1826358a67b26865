package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException;
import io.ruvector.RuVectorException.Code;
import io.ruvector.oracle.BruteForce;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;
import org.junit.jupiter.params.provider.ValueSource;

/** Searches that name the recall to reach. */
class RecallTargetTest {
  private static final int DIM = 48;
  private static final int ROWS = 8_000;
  private static final int QUERIES = 200;
  private static final int K = 10;
  private static final IdFilter ALL = IdFilter.all();

  private static float[][] vectors() {
    Random random = Seed.random("target");
    return Data.clustered(random, ROWS + QUERIES, DIM, 60);
  }

  @ParameterizedTest
  @EnumSource(names = {"RABITQ_PLUS", "IVF"})
  void isReached(IndexKind kind) {
    float[][] all = vectors();
    float[][] vectors = Arrays.copyOf(all, ROWS);
    var oracle = BruteForce.of(Metric.L2, vectors);
    // Its own number of cells, and as many searched as the model says.
    IndexOptions options = IndexOptions.defaults();
    try (VectorIndex index =
        kind == IndexKind.IVF
            ? IvfIndex.build(Vectors.copyOf(vectors), options)
            : RabitqPlusIndex.build(Vectors.copyOf(vectors), options)) {
      long last = 0;
      for (double target : new double[] {.9, .95, .99}) {
        double sum = 0;
        long work = 0;
        for (float[] query : Arrays.copyOfRange(all, ROWS, ROWS + QUERIES)) {
          SearchResult found = index.search(SearchRequest.of(query).k(K).recall(target));
          sum += oracle.recall(found, query, K, ALL);
          work += found.stats().scanned() + found.stats().estimated();
        }
        // Twice the standard error of so many neighbours.
        double noise = 2 * Math.sqrt(target * (1 - target) / (QUERIES * K));
        assertTrue(sum / QUERIES >= target - noise, sum / QUERIES + " for " + target);
        assertTrue(work > last, work + " rows for " + target);
        last = work;
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      mode = Mode.EXCLUDE,
      names = {"RABITQ", "RABITQ_ASYM"})
  void ofOneIsExact(IndexKind kind) {
    float[][] vectors = Data.vectors(Seed.random("exact" + kind), 1_500, DIM);
    float[] query = Data.vector(Seed.random("query" + kind), DIM);
    for (Metric metric : Metric.values()) {
      var oracle = BruteForce.of(metric, vectors);
      IndexOptions options = IndexOptions.of(metric).nlist(30).nprobe(1);
      try (var index = Kinds.build(kind, vectors, options)) {
        SearchRequest request = SearchRequest.of(query).k(K).recall(1);
        SearchResult found = index.search(request);
        oracle.checkHits(found, query, K, ALL);
        assertEquals(1, oracle.recall(found, query, K, ALL));
        assertEquals(1_500, found.stats().scanned());
        IdFilter half = IdFilter.range(0, 750);
        SearchResult filtered = index.search(request.filter(half));
        oracle.checkHits(filtered, query, K, half);
        assertEquals(1, oracle.recall(filtered, query, K, half));
      }
    }
  }

  @Test
  void doesNotReplaceWhatTheRequestNames() {
    float[][] all = vectors();
    try (var index = IvfIndex.build(Vectors.copyOf(all), IndexOptions.defaults())) {
      SearchRequest named = SearchRequest.of(all[7]).epsilon(.5f).nprobe(3).rerankFactor(2);
      SearchStats stats = index.search(named).stats();
      assertEquals(stats, index.search(named.recall(.99)).stats());
      assertEquals(
          stats.probed(),
          index.search(SearchRequest.of(all[7]).recall(.99).nprobe(3)).stats().probed());
      BatchResult batch =
          index.searchBatch(Vectors.copyOf(all[7]), SearchRequest.template().recall(.99));
      assertEquals(
          index.search(SearchRequest.of(all[7]).recall(.99)).stats().probed(),
          batch.stats().probed());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"RABITQ", "RABITQ_ASYM"})
  void needsOriginals(IndexKind kind) {
    float[][] vectors = Data.vectors(Seed.random("codes"), 500, DIM);
    try (var index = Kinds.build(kind, vectors, IndexOptions.defaults())) {
      SearchRequest request = SearchRequest.of(vectors[0]).recall(.9);
      var e = assertThrows(RuVectorException.class, () -> index.search(request));
      assertEquals(Code.UNSUPPORTED, e.code());
      assertTrue(String.valueOf(e.getMessage()).contains("originals"), e::getMessage);
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -.1, 1.0001, 1e-60, Double.NaN, Double.POSITIVE_INFINITY})
  void isAPart(double recall) {
    var e =
        assertThrows(IllegalArgumentException.class, () -> SearchRequest.template().recall(recall));
    assertTrue(String.valueOf(e.getMessage()).contains("recall is " + recall), e::getMessage);
    assertThrows(IllegalArgumentException.class, () -> VectorIndex.recommend(1_000, 10, recall));
  }
}
