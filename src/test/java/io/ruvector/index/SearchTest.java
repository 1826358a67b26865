package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.BruteForce;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Searches of freshly built indexes, against brute force. */
class SearchTest {
  private static final IdFilter ALL = IdFilter.all();

  static Stream<Arguments> kindsAndMetrics() {
    return Kinds.kindsAndMetrics();
  }

  /** Around the blocks of 32 rows, the smallest and largest dimensions, k under and over n. */
  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void edgeShapes(IndexKind kind, Metric metric) {
    Random random = Seed.random("edgeShapes" + kind + metric);
    for (int dim : new int[] {1, 2, 3, 100, 8_192}) {
      for (int n : new int[] {1, 5, 31, 32, 33}) {
        float[][] vectors = Data.vectors(random, n, dim);
        var oracle = BruteForce.of(metric, vectors);
        try (var index = Kinds.build(kind, vectors, IndexOptions.of(metric))) {
          assertEquals(n, index.size());
          for (int k : new int[] {1, n, n + 1, 100}) {
            float[] query = Data.vector(random, dim);
            var request = SearchRequest.of(query).k(k).epsilon(16).rerankFactor(65_536);
            SearchResult result = index.search(request);
            if (kind.keepsOriginals()) {
              oracle.checkExact(result, query, k, ALL);
            } else {
              oracle.checkHits(result, query, k, ALL);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void recall(IndexKind kind, Metric metric) {
    Random random = Seed.random("recall" + kind + metric);
    int dim = 100;
    float[][] all = Data.clustered(random, 3_040, dim, 30);
    float[][] vectors = Arrays.copyOf(all, 3_000);
    var oracle = BruteForce.of(metric, vectors);
    // What each kind finds of 10, within the number of hits that it is asked for.
    int k = kind == IndexKind.RABITQ ? 100 : 10;
    double least =
        switch (kind) {
          case FLAT_F32 -> 1;
          case RABITQ_PLUS, IVF -> 0.97;
          case RABITQ_ASYM -> 0.7;
          case RABITQ -> 0.9;
        };
    try (var index = Kinds.build(kind, vectors, IndexOptions.of(metric))) {
      double sum = 0;
      int queries = 40;
      for (int i = 0; i < queries; i++) {
        float[] query = all[3_000 + i];
        SearchResult result = index.search(query, k);
        oracle.checkHits(result, query, k, ALL);
        List<Hit> truth = oracle.search(query, 10, ALL);
        List<Long> found = new ArrayList<>();
        result.forEach(hit -> found.add(hit.id()));
        sum += truth.stream().filter(hit -> found.contains(hit.id())).count() / 10.0;
      }
      double recall = sum / queries;
      assertTrue(recall >= least, () -> "recall of the first 10 is " + recall);
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void idsAreAllOf64Bits(IndexKind kind) {
    long[] ids = {
      Long.MIN_VALUE, -1, 0, 1, 1L << 32, (1L << 53) + 1, Long.MAX_VALUE - 1, Long.MAX_VALUE
    };
    float[][] vectors = Data.vectors(Seed.random("ids" + kind), ids.length, 16);
    try (var index =
        Kinds.build(kind, Vectors.copyOf(vectors), Ids.of(ids), IndexOptions.defaults())) {
      for (int i = 0; i < ids.length; i++) {
        assertTrue(index.contains(ids[i]));
        assertEquals(ids[i], index.search(vectors[i], 1).ids()[0]);
      }
      assertFalse(index.contains(2));
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = IndexKind.class,
      names = {"FLAT_F32", "RABITQ_PLUS", "IVF"})
  void equalRowsAreOrderedById(IndexKind kind) {
    float[][] vectors = new float[200][];
    Arrays.fill(vectors, new float[] {1, 2, 3, 4});
    try (var index = Kinds.build(kind, vectors, IndexOptions.defaults())) {
      SearchResult result = index.search(new float[] {4, 3, 2, 1}, 5);
      assertArrayEquals(new long[] {0, 1, 2, 3, 4}, result.ids());
      for (float score : result.scores()) {
        assertEquals(20, score);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void extremeComponents(IndexKind kind) {
    float[][] vectors = {
      {1e15f, 0, 0, 0}, {0, 1e-40f, 0, 0}, {0, 0, Float.MIN_VALUE, 0}, {0, 0, 0, -1e15f}
    };
    var oracle = BruteForce.of(Metric.L2, vectors);
    try (var index = Kinds.build(kind, vectors, IndexOptions.defaults())) {
      for (float[] query : vectors) {
        SearchResult result = index.search(query, 4);
        if (kind.keepsOriginals()) {
          oracle.checkExact(result, query, 4, ALL);
        } else {
          oracle.checkHits(result, query, 4, ALL);
        }
      }
    }
  }

  /** One query in an array, in native memory, in caller's arrays and in a request: one answer. */
  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void allFormsOfASearchAgree(IndexKind kind, Metric metric) {
    Random random = Seed.random("forms" + kind + metric);
    float[][] vectors = Data.vectors(random, 500, 24);
    try (var index = Kinds.build(kind, vectors, IndexOptions.of(metric));
        var arena = Arena.ofConfined()) {
      float[] query = Data.vector(random, 24);
      SearchResult plain = index.search(query, 7);
      var requests =
          List.of(
              SearchRequest.of(query).k(7),
              SearchRequest.of(arena.allocateFrom(ValueLayout.JAVA_FLOAT, query)).k(7),
              SearchRequest.of(query).k(7).filter(IdFilter.all()),
              SearchRequest.of(query).k(7).timeout(Duration.ofDays(100_000_000)));
      for (SearchRequest request : requests) {
        SearchResult result = index.search(request);
        assertArrayEquals(plain.ids(), result.ids());
        assertArrayEquals(plain.scores(), result.scores());
        assertEquals(plain.stats(), result.stats());
        long[] ids = new long[9];
        float[] scores = new float[9];
        assertEquals(7, index.search(request, ids, scores));
        assertArrayEquals(plain.ids(), Arrays.copyOf(ids, 7));
        assertArrayEquals(plain.scores(), Arrays.copyOf(scores, 7));
        assertEquals(0, ids[7]);
      }
      assertTrue(plain.stats().scanned() > 0);
    }
  }

  @Test
  void moreEpsilonAndRerankFactorFindNoLess() {
    Random random = Seed.random("epsilon");
    float[][] vectors = Data.vectors(random, 4_000, 64);
    var oracle = BruteForce.of(Metric.L2, vectors);
    try (var index = Kinds.build(IndexKind.RABITQ_PLUS, vectors, IndexOptions.defaults())) {
      double low = 0;
      double high = 0;
      for (int i = 0; i < 30; i++) {
        float[] query = Data.vector(random, 64);
        var request = SearchRequest.of(query).k(10);
        low += oracle.recall(index.search(request.epsilon(0).rerankFactor(1)), query, 10, ALL);
        SearchResult best = index.search(request.epsilon(16).rerankFactor(65_536));
        oracle.checkExact(best, query, 10, ALL);
        high += oracle.recall(best, query, 10, ALL);
      }
      assertEquals(30, high, 1e-9);
      assertTrue(low < high, "a smaller epsilon must lose something");
    }
  }

  @Test
  void manyMoreHitsThanRows() {
    float[][] vectors = Data.vectors(Seed.random("manyMore"), 10, 4);
    try (var index = Kinds.build(IndexKind.FLAT_F32, vectors, IndexOptions.defaults())) {
      assertEquals(10, index.search(vectors[0], Integer.MAX_VALUE).size());
      assertEquals(10, index.search(vectors[0], 1 << 17).size());
      assertEquals(10, index.search(vectors[0], 1 << 16).size());
    }
  }

  /** What build was given may be overwritten and freed as soon as it returns. */
  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void buildKeepsNoPointer(IndexKind kind) {
    Random random = Seed.random("noPointer" + kind);
    float[][] vectors = Data.vectors(random, 300, 32);
    VectorIndex index;
    try (var arena = Arena.ofConfined()) {
      var memory = arena.allocate(4L * 300 * 32, 4);
      for (int i = 0; i < 300; i++) {
        memory.asSlice(128L * i, 128).copyFrom(MemorySegment.ofArray(vectors[i]));
      }
      index = Kinds.build(kind, Vectors.of(memory, 32), Ids.from(0), IndexOptions.defaults());
      memory.fill((byte) 0x7f);
    }
    try (index) {
      for (int i = 0; i < 300; i += 7) {
        assertEquals(i, index.search(vectors[i], 1).ids()[0]);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void sameDataAndSeedGiveTheSameIndex(IndexKind kind) {
    float[][] vectors = Data.vectors(Seed.random("same" + kind), 200, 20);
    try (var one = Kinds.build(kind, vectors, IndexOptions.defaults());
        var two = Kinds.build(kind, vectors, IndexOptions.defaults());
        var fewer = Kinds.build(kind, Arrays.copyOf(vectors, 199), IndexOptions.defaults())) {
      assertTrue(one.contentEquals(two));
      assertFalse(one.contentEquals(fewer));
    }
  }

  @Test
  void infoTellsWhatWasAskedFor() {
    var options = IndexOptions.of(Metric.COSINE).bits(7).seed(-5).rerankFactor(33).epsilon(2.5f);
    float[][] vectors = Data.vectors(Seed.random("info"), 50, 12);
    try (var index = Kinds.build(IndexKind.RABITQ_PLUS, vectors, options)) {
      IndexInfo info = index.info();
      assertEquals(IndexKind.RABITQ_PLUS, info.kind());
      assertEquals(Metric.COSINE, info.metric());
      assertEquals(12, info.dim());
      assertEquals(7, info.bits());
      assertEquals(-5, info.seed());
      assertEquals(33, info.rerankFactor());
      assertEquals(2.5f, info.epsilon());
      assertEquals(Originals.COPY, info.originals());
      assertEquals(50, info.size());
      assertTrue(info.memoryBytes() >= 50 * 12 * 4, info::toString);
      assertEquals(info.memoryBytes(), index.memoryBytes());
      String text = index.toString();
      for (String part :
          List.of("RabitqPlusIndex", "50 rows", "12 dimensions", "COSINE", "7 bits")) {
        assertTrue(text.contains(part), text);
      }
    }
  }

  @Test
  void codesAndRotation() {
    int dim = 30;
    float[][] vectors = Data.vectors(Seed.random("codes"), 90, dim);
    try (var index = Kinds.build(IndexKind.RABITQ_ASYM, vectors, IndexOptions.defaults());
        var codes = index.codes()) {
      List<RowCode> all = codes.toList();
      assertEquals(90, all.size());
      assertEquals(90, all.stream().map(RowCode::id).distinct().count());
      for (RowCode code : all) {
        assertTrue(code.packed().length >= dim * 4 / 8, code::toString);
        assertTrue(Float.isFinite(code.add()) && Float.isFinite(code.rescale()), code::toString);
        assertTrue(code.error() >= 0, code::toString);
      }
      Rotation rotation = index.rotation();
      assertEquals(dim, rotation.dim());
      assertEquals(42, rotation.seed());
      float[] turned = rotation.apply(vectors[0]);
      assertEquals(norm(vectors[0]), norm(turned), 1e-4 * norm(turned));
      assertArrayEquals(vectors[0], rotation.invert(turned), 1e-4f);
    }
  }

  private static double norm(float[] vector) {
    double sum = 0;
    for (float x : vector) {
      sum += (double) x * x;
    }
    return Math.sqrt(sum);
  }

  @Test
  void recommendedParametersBuildAnIndex() {
    Recommendation found = VectorIndex.recommend(100_000, 100, 0.95);
    assertEquals(IndexKind.IVF, found.kind());
    assertTrue(found.expectedRecall() >= 0.95f && found.nprobe() > 0, found::toString);
    float[][] vectors = Data.vectors(Seed.random("recommend"), 100, 100);
    try (var index = IvfIndex.build(Vectors.copyOf(vectors), found.options())) {
      assertEquals(found.nprobe(), index.info().nprobe());
      assertEquals(found.rerankFactor(), index.info().rerankFactor());
    }
    assertEquals(IndexKind.FLAT_F32, VectorIndex.recommend(100_000, 100, 1).kind());
  }
}
