package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.BruteForce;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Many queries in one call, and all rows within a radius. */
class BatchTest {
  private static final int DIM = 30;

  static Stream<Arguments> kindsAndMetrics() {
    return Kinds.kindsAndMetrics();
  }

  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void aBatchFindsWhatSingleSearchesFind(IndexKind kind, Metric metric) {
    Random random = Seed.random("batch" + kind + metric);
    float[][] vectors = Data.vectors(random, 700, DIM);
    float[][] queries = Data.vectors(random, 65, DIM);
    var oracle = BruteForce.of(metric, vectors);
    try (var index = Kinds.build(kind, vectors, IndexOptions.of(metric));
        var arena = Arena.ofConfined()) {
      var template = SearchRequest.template().k(9).epsilon(16).rerankFactor(65_536);
      BatchResult batch = index.searchBatch(Vectors.copyOf(queries), template);
      assertEquals(65, batch.size());
      assertEquals(9, batch.k());
      MemorySegment ids = arena.allocate(ValueLayout.JAVA_LONG, 65 * 9);
      MemorySegment scores = arena.allocate(ValueLayout.JAVA_FLOAT, 65 * 9);
      SearchStats stats = index.searchBatch(Vectors.copyOf(queries), template, ids, scores);
      assertTrue(stats.scanned() > 0 && batch.stats().scanned() > 0);
      assertArrayEquals(batch.ids(), ids.toArray(ValueLayout.JAVA_LONG));
      assertArrayEquals(batch.scores(), scores.toArray(ValueLayout.JAVA_FLOAT));
      int i = 0;
      for (SearchResult result : batch) {
        float[] query = queries[i++];
        if (kind.keepsOriginals()) {
          oracle.checkExact(result, query, 9, IdFilter.all());
        } else {
          oracle.checkHits(result, query, 9, IdFilter.all());
        }
      }
      assertEquals(65, i);
    }
  }

  @Test
  void unusedPlaces() {
    float[][] vectors = Data.vectors(Seed.random("unused"), 3, DIM);
    try (var index = Kinds.build(IndexKind.RABITQ_PLUS, vectors, IndexOptions.defaults())) {
      BatchResult batch = index.searchBatch(Vectors.copyOf(vectors), SearchRequest.template().k(5));
      assertArrayEquals(new int[] {3, 3, 3}, batch.counts());
      for (int query = 0; query < 3; query++) {
        assertEquals(query, batch.get(query).ids()[0]);
        assertEquals(3, batch.get(query).size());
        for (int place = 3; place < 5; place++) {
          assertEquals(-1, batch.ids()[query * 5 + place]);
          assertEquals(Float.POSITIVE_INFINITY, batch.scores()[query * 5 + place]);
        }
      }
      assertThrows(IndexOutOfBoundsException.class, () -> batch.get(3));
    }
  }

  /** Rows with gaps between them, as a column of a wider table. */
  @Test
  void stridedQueries() {
    float[][] vectors = Data.vectors(Seed.random("strided"), 50, DIM);
    try (var index = Kinds.build(IndexKind.FLAT_F32, vectors, IndexOptions.defaults());
        var arena = Arena.ofConfined()) {
      long stride = 4L * (DIM + 3);
      MemorySegment memory = arena.allocate(50 * stride, 4).fill((byte) 0xff);
      for (int i = 0; i < 50; i++) {
        MemorySegment.copy(vectors[i], 0, memory, ValueLayout.JAVA_FLOAT, i * stride, DIM);
      }
      Vectors view = Vectors.of(memory, 50, DIM, stride);
      BatchResult batch = index.searchBatch(view, SearchRequest.template().k(1));
      for (int i = 0; i < 50; i++) {
        assertEquals(i, batch.get(i).ids()[0]);
        assertArrayEquals(vectors[i], view.row(i));
      }
      try (var built = FlatF32Index.build(view, IndexOptions.defaults())) {
        assertTrue(built.contentEquals(index));
      }
    }
  }

  @Test
  void roomForResults() {
    float[][] vectors = Data.vectors(Seed.random("room"), 10, DIM);
    var queries = Vectors.copyOf(vectors);
    var template = SearchRequest.template().k(4);
    try (var index = Kinds.build(IndexKind.FLAT_F32, vectors, IndexOptions.defaults());
        var arena = Arena.ofConfined()) {
      MemorySegment ids = arena.allocate(ValueLayout.JAVA_LONG, 40);
      MemorySegment scores = arena.allocate(ValueLayout.JAVA_FLOAT, 40);
      assertRefused(index, queries, template, ids.asSlice(8), scores, "ids is 312 bytes");
      assertRefused(index, queries, template, ids, scores.asSlice(4), "scores is 156 bytes");
      assertRefused(
          index, queries, template, MemorySegment.ofArray(new long[40]), scores, "heap memory");
      assertRefused(index, queries, template, ids.asReadOnly(), scores, "read-only");
      MemorySegment bytes = arena.allocate(400, 8);
      assertRefused(index, queries, template, bytes.asSlice(4, 320), scores, "multiples of 8");
      MemorySegment both = arena.allocate(480, 8);
      assertRefused(
          index, queries, template, both.asSlice(0, 320), both.asSlice(316, 160), "overlapping");
      index.searchBatch(queries, template, both.asSlice(0, 320), both.asSlice(320, 160));
    }
  }

  private static void assertRefused(
      VectorIndex index,
      Vectors queries,
      SearchRequest template,
      MemorySegment ids,
      MemorySegment scores,
      String part) {
    var e =
        assertThrows(
            IllegalArgumentException.class,
            () -> index.searchBatch(queries, template, ids, scores));
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void allRowsWithinARadius(IndexKind kind, Metric metric) {
    Random random = Seed.random("radius" + kind + metric);
    float[][] vectors = Data.vectors(random, 500, DIM);
    var oracle = BruteForce.of(metric, vectors);
    try (var index = Kinds.build(kind, vectors, IndexOptions.of(metric))) {
      float[] query = Data.vector(random, DIM);
      var truth = oracle.search(query, 500, IdFilter.all());
      // Between two rows, so that rounding decides nothing.
      float radius = (truth.get(59).score() + truth.get(60).score()) / 2;
      RangeResult result = index.searchRange(RangeRequest.of(query, radius));
      if (kind.keepsOriginals()) {
        assertEquals(60, result.size());
        for (int i = 0; i < 60; i++) {
          assertEquals(0, result.bounds()[i]);
          assertTrue(result.certain()[i]);
        }
      }
      for (int i = 0; i < result.size(); i++) {
        assertTrue(result.scores()[i] <= radius);
        assertTrue(result.bounds()[i] >= 0);
        assertEquals(
            result.scores()[i] + result.bounds()[i] <= radius, result.certain()[i], "certain");
      }
      RangeResult some = index.searchRange(RangeRequest.of(query, radius).limit(7));
      assertEquals(Math.min(7, result.size()), some.size());
      assertEquals(result.size() > 7, some.truncated());
      IdFilter filter = IdFilter.range(100, 200);
      for (Hit hit : index.searchRange(RangeRequest.of(query, radius).filter(filter))) {
        assertTrue(filter.contains(hit.id()));
      }
    }
  }
}
