package io.ruvector.lake;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException.Code;
import io.ruvector.index.FlatF32Index;
import io.ruvector.index.Hit;
import io.ruvector.index.IdFilter;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.Metric;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Backends that search by themselves, each over an index of its own. */
@Timeout(60)
class PushDownTest {
  private static final int DIM = 8;
  private static final int ROWS = 400;
  private static final Target TARGET = Target.of("able", "c");

  /** What a test makes of the hits. */
  @FunctionalInterface
  private interface Change {
    List<Hit> of(List<Hit> hits) throws Exception;
  }

  private static final class Able implements BackendAdapter, AutoCloseable {
    final Vectors rows;
    final FlatF32Index index;
    final AtomicInteger pulls = new AtomicInteger();
    final AtomicInteger searches = new AtomicInteger();
    volatile CountDownLatch pulled = new CountDownLatch(0);
    volatile @Nullable Change change = hits -> hits;
    volatile long expected;

    Able(Random random) {
      rows = Vectors.copyOf(Data.vectors(random, ROWS, DIM));
      index = FlatF32Index.build(rows, Ids.from(0), IndexOptions.defaults());
    }

    @Override
    public String id() {
      return "able";
    }

    @Override
    public List<String> collections() {
      return List.of("c");
    }

    @Override
    public Generation generation(String collection) {
      return Generation.of(1);
    }

    @Override
    public void pull(String collection, VectorSink sink) throws Exception {
      pulls.incrementAndGet();
      pulled.await();
      sink.expect(Math.max(expected, ROWS), DIM);
      sink.add(rows, Ids.from(0));
    }

    @Override
    public @Nullable PushedDown search(
        String collection, float[] query, int k, IdFilter filter, Metric metric) throws Exception {
      searches.incrementAndGet();
      Change own = change;
      if (own == null) {
        return null;
      }
      assertEquals(Metric.L2, metric);
      List<Hit> hits = new ArrayList<>();
      index.search(SearchRequest.of(query).k(k).filter(filter)).forEach(hits::add);
      Collections.reverse(hits);
      return new PushedDown(own.of(hits), Generation.of(1));
    }

    @Override
    public void close() {
      index.close();
    }
  }

  private static RuLake lake(RuLake.Builder builder, Backend backend) {
    RuLake lake = builder.build();
    lake.registerBackend(backend);
    return lake;
  }

  private static void awaitCached(RuLake lake) throws InterruptedException {
    while (!lake.isCached(TARGET)) {
      Thread.sleep(2);
    }
  }

  @Test
  void theBackendAnswersWhileItIsPulled() throws InterruptedException {
    Random random = Seed.random("push-down");
    try (var able = new Able(random);
        var lake = lake(RuLake.builder(), able)) {
      able.pulled = new CountDownLatch(1);
      for (int i = 0; i < 20; i++) {
        float[] query = Data.vector(random, DIM);
        IdFilter filter = i % 2 == 0 ? IdFilter.all() : IdFilter.range(100, 300);
        var request = SearchRequest.of(query).k(1 + i).filter(filter);
        LakeResult found =
            i % 3 == 0 ? lake.searchAsync(TARGET, request).join() : lake.search(TARGET, request);
        assertTrue(found.pushedDown());
        assertFalse(found.stale());
        assertEquals(Generation.of(1), found.generation());
        assertTrue(found.confirmedAt().isPresent());
        assertArrayEquals(able.index.search(request).ids(), found.ids());
        assertArrayEquals(able.index.search(request).scores(), found.scores());
      }
      var counts = lake.cacheStats().total();
      assertEquals(
          List.of(20L, 20L, 0L), List.of(counts.pushedDown(), counts.misses(), counts.hits()));
      able.pulled.countDown();
      awaitCached(lake);
      LakeResult cached = lake.search(TARGET, new float[DIM], 3);
      assertFalse(cached.pushedDown());
      assertEquals(List.of(1, 20), List.of(able.pulls.get(), able.searches.get()));
    }
  }

  @Test
  void whatExceedsTheCacheIsLeftToItsBackend() throws InterruptedException {
    try (var able = new Able(new Random(1));
        var lake = lake(RuLake.builder().maxCacheBytes(20_000), able)) {
      able.expected = 1_000_000;
      for (int i = 0; i < 10; i++) {
        assertTrue(lake.search(TARGET, new float[DIM], 3).pushedDown());
        while (able.pulls.get() == 0) {
          Thread.sleep(1);
        }
        // The first pull fails at once; a search may meet its end before that is noted.
        Thread.sleep(10);
      }
      assertTrue(able.pulls.get() <= 3, "it is not pulled for each search");
      var e =
          assertThrows(
              LakeException.class,
              () ->
                  lake.searchBatch(
                      TARGET, Vectors.copyOf(new float[DIM]), SearchRequest.template()));
      assertEquals(Code.BUDGET, e.code());
      able.change = null;
      e = assertThrows(LakeException.class, () -> lake.search(TARGET, new float[DIM], 3));
      assertEquals(Code.BUDGET, e.code());
    }
  }

  @Test
  void aBackendThatCannotIsPulled() {
    try (var able = new Able(new Random(1));
        var lake = lake(RuLake.builder(), able)) {
      able.change = null;
      assertFalse(lake.search(TARGET, new float[DIM], 3).pushedDown());
      assertEquals(1, able.pulls.get());
    }
  }

  @Test
  void whatIsFrozenIsNotAnsweredFromElsewhere() {
    try (var able = new Able(new Random(1));
        var lake = lake(RuLake.builder(), able);
        var frozen = lake(RuLake.builder().consistency(Consistency.frozen()), able)) {
      lake.setConsistency(TARGET, Consistency.frozen());
      assertFalse(lake.search(TARGET, new float[DIM], 3).pushedDown());
      assertFalse(frozen.search(TARGET, new float[DIM], 3).pushedDown());
    }
  }

  @Test
  void failuresOfTheBackendHaveTheirCause() {
    try (var able = new Able(new Random(1));
        var lake = lake(RuLake.builder(), able)) {
      able.pulled = new CountDownLatch(1);
      var tries = new AtomicInteger();
      able.change =
          hits -> {
            if (tries.incrementAndGet() < 3) {
              throw new IOException("reset");
            }
            return hits;
          };
      assertEquals(3, lake.search(TARGET, new float[DIM], 3).size());
      able.change =
          hits -> {
            throw new IllegalStateException("no such operator");
          };
      var e = assertThrows(BackendException.class, () -> lake.search(TARGET, new float[DIM], 3));
      assertEquals("no such operator", e.getCause().getMessage());
      able.change =
          hits -> {
            Thread.sleep(30_000);
            return hits;
          };
      var late = SearchRequest.of(new float[DIM]).timeout(Duration.ofMillis(50));
      assertThrows(io.ruvector.DeadlineExceededException.class, () -> lake.search(TARGET, late));
      able.pulled.countDown();
    }
  }

  @Test
  void hitsThatCannotBeAreRefused() {
    var filter = IdFilter.range(0, 50);
    List<Change> changes =
        List.of(
            hits -> List.of(hits.get(0), hits.get(0)),
            hits -> List.of(new Hit(60, 1)),
            hits -> List.of(new Hit(1, Float.NaN)),
            hits -> List.of(hits.get(0), hits.get(1), hits.get(2), new Hit(-1, 9)));
    for (Change change : changes) {
      try (var able = new Able(new Random(1));
          var lake = lake(RuLake.builder(), able)) {
        able.change = change;
        var request = SearchRequest.of(new float[DIM]).k(3).filter(filter);
        var e = assertThrows(BackendException.class, () -> lake.search(TARGET, request));
        assertInstanceOf(IllegalStateException.class, e.getCause());
        assertTrue(e.getMessage().contains("its search returned"), e.getMessage());
      }
    }
  }

  @Test
  void preparedFiltersAreRefusedEverywhere() {
    try (var able = new Able(new Random(1));
        var lake = lake(RuLake.builder(), able);
        var prepared = able.index.prepare(IdFilter.range(0, 9))) {
      var request = SearchRequest.of(new float[DIM]).filter(prepared);
      var template = SearchRequest.template().filter(prepared);
      Vectors queries = Vectors.copyOf(new float[DIM]);
      assertThrows(IllegalArgumentException.class, () -> lake.search(TARGET, request));
      assertThrows(IllegalArgumentException.class, () -> lake.searchAsync(TARGET, request));
      assertThrows(
          IllegalArgumentException.class, () -> lake.searchBatch(TARGET, queries, template));
      assertThrows(
          IllegalArgumentException.class,
          () -> lake.searchFederated(FederatedRequest.of(request, List.of(TARGET))));
      try (var session = lake.session()) {
        assertThrows(IllegalArgumentException.class, () -> session.search(TARGET, request));
      }
      assertEquals(0, able.searches.get());
    }
  }

  /** A look in the background that waited for its own pull would wait for ever. */
  @Test
  void oneThreadIsEnoughForPulls() throws InterruptedException {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var consistency =
        Consistency.eventual(Duration.ZERO).maxStale(Duration.ofMinutes(1)).staleWhileRevalidate();
    var executor = Executors.newSingleThreadExecutor();
    try (var lake = lake(RuLake.builder().consistency(consistency).executor(executor), adapter)) {
      float[] query = {5, 5};
      assertEquals(1, lake.search(ScriptedAdapter.TARGET, query, 1).ids()[0]);
      adapter.put(2, 5, 5);
      while (lake.search(ScriptedAdapter.TARGET, query, 1).ids()[0] != 2) {
        Thread.sleep(5);
      }
    } finally {
      executor.shutdownNow();
    }
  }
}
