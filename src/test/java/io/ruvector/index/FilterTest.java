package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.internal.NativeLibrary;
import io.ruvector.oracle.BruteForce;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Searches among some ids only. */
class FilterTest {
  private static final int DIM = 20;
  private static final int ROWS = 1_000;

  static Stream<Arguments> kindsAndMetrics() {
    return Kinds.kindsAndMetrics();
  }

  /** From no row to all of them: k hits wherever k exist. */
  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void everySelectivity(IndexKind kind, Metric metric) {
    Random random = Seed.random("selectivity" + kind + metric);
    float[][] vectors = Data.vectors(random, ROWS, DIM);
    var oracle = BruteForce.of(metric, vectors);
    try (var index = Kinds.build(kind, vectors, IndexOptions.of(metric))) {
      List<IdFilter> filters =
          List.of(
              IdFilter.none(),
              IdFilter.of(ROWS + 5, -3),
              IdFilter.of(17),
              IdFilter.of(random.longs(9, 0, ROWS).toArray()),
              IdFilter.of(random.longs(100, 0, ROWS).toArray()),
              IdFilter.range(100, 900),
              IdFilter.of(5, 6, 7).not(),
              IdFilter.all());
      for (IdFilter filter : filters) {
        float[] query = Data.vector(random, DIM);
        var request = SearchRequest.of(query).k(10).epsilon(16).rerankFactor(65_536);
        SearchResult raw = index.search(request.filter(filter));
        if (kind.keepsOriginals()) {
          oracle.checkExact(raw, query, 10, filter);
        } else {
          oracle.checkHits(raw, query, 10, filter);
        }
        try (var prepared = index.prepare(filter)) {
          long allowed = oracle.rows().keySet().stream().filter(filter::contains).count();
          assertEquals(allowed, prepared.allowed());
          assertEquals(filter, prepared.filter());
          SearchResult again = index.search(request.filter(prepared));
          assertArrayEquals(raw.ids(), again.ids());
          assertArrayEquals(raw.scores(), again.scores());
        }
      }
    }
  }

  @Test
  void aPreparedFilterFollowsTheRows() {
    float[][] vectors = Data.vectors(Seed.random("follows"), 100, DIM);
    try (var index = Kinds.build(IndexKind.RABITQ_PLUS, vectors, IndexOptions.defaults());
        var prepared = index.prepare(IdFilter.range(90, 200))) {
      assertEquals(10, prepared.allowed());
      var request = SearchRequest.of(vectors[0]).k(50).filter(prepared);
      assertEquals(10, index.search(request).size());
      index.add(150, vectors[1]);
      assertEquals(11, index.search(request).size());
      index.remove(91, 92);
      assertEquals(9, index.search(request).size());
      index.compact();
      assertEquals(9, index.search(request).size());
    }
  }

  /**
   * More filters than the index remembers, from many threads: none is freed in use or forgotten.
   */
  @Test
  void rememberedFiltersAreGivenBack() throws InterruptedException {
    float[][] vectors = Data.vectors(Seed.random("remembered"), 300, DIM);
    long before = NativeLibrary.liveHandles();
    List<Throwable> failures = new ArrayList<>();
    try (var index = Kinds.build(IndexKind.FLAT_F32, vectors, IndexOptions.defaults())) {
      List<IdFilter> filters = new ArrayList<>();
      for (int i = 0; i < 30; i++) {
        filters.add(IdFilter.range(i, 10 * i + 1));
      }
      List<Thread> threads = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        Random random = new Random(t);
        threads.add(
            Thread.ofPlatform()
                .start(
                    () -> {
                      try {
                        for (int i = 0; i < 3_000; i++) {
                          int which = random.nextInt(filters.size());
                          var request = SearchRequest.of(vectors[which]).k(1_000);
                          assertEquals(
                              9 * which + 1,
                              index.search(request.filter(filters.get(which))).size());
                        }
                      } catch (Throwable e) {
                        synchronized (failures) {
                          failures.add(e);
                        }
                      }
                    }));
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertEquals(List.of(), failures);
      assertTrue(NativeLibrary.liveHandles() - before <= 1 + 8);
    }
    assertEquals(before, NativeLibrary.liveHandles());
  }

  @Test
  void aPreparedFilterBelongsToItsIndex() {
    float[][] vectors = Data.vectors(Seed.random("belongs"), 10, DIM);
    try (var one = Kinds.build(IndexKind.FLAT_F32, vectors, IndexOptions.defaults());
        var two = Kinds.build(IndexKind.FLAT_F32, vectors, IndexOptions.defaults())) {
      PreparedFilter prepared = one.prepare(IdFilter.range(0, 5));
      var request = SearchRequest.of(vectors[0]).filter(prepared);
      var e = assertThrows(IllegalArgumentException.class, () -> two.search(request));
      assertTrue(e.getMessage().startsWith("filter is prepared for FlatF32Index"), e.getMessage());
      prepared.close();
      prepared.close();
      assertThrows(IllegalStateException.class, () -> one.search(request));
    }
  }
}
