package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.DeadlineExceededException;
import io.ruvector.internal.SearchPool;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Searches on other threads: their answers, their end before time, and the limit of waiting ones.
 */
class AsyncTest {
  private static final int DIM = 64;

  /** Long enough, as a batch, to be stopped in the middle on any machine. */
  private static final int MANY = 20_000;

  private static FlatF32Index large;
  private static Vectors queries;

  @BeforeAll
  static void build() {
    var random = Seed.random("async");
    VectorBuffer buffer = VectorBuffer.allocate(MANY, DIM);
    for (int i = 0; i < MANY; i++) {
      buffer.put(i, Data.vector(random, DIM));
    }
    queries = Vectors.copyOf(Data.vectors(random, MANY, DIM));
    large =
        FlatF32Index.build(buffer.asVectors(), IndexOptions.defaults().originals(Originals.ADOPT));
  }

  @AfterAll
  static void close() {
    large.close();
  }

  @Test
  void answersAsTheSynchronousCall() throws Exception {
    for (int i = 0; i < 50; i++) {
      float[] query = queries.row(i);
      var request = SearchRequest.of(query).k(7).filter(IdFilter.range(i, MANY));
      SearchResult expected = large.search(request);
      CompletableFuture<SearchResult> future = large.searchAsync(request);
      // The query was copied at submit.
      java.util.Arrays.fill(query, 0);
      SearchResult result = future.get();
      assertArrayEquals(expected.ids(), result.ids());
      assertArrayEquals(expected.scores(), result.scores());
    }
  }

  @Test
  void failuresComeWithTheFuture() {
    float[] query = new float[DIM];
    query[3] = Float.NaN;
    var e =
        assertThrows(
            ExecutionException.class, () -> large.searchAsync(SearchRequest.of(query)).get());
    assertInstanceOf(InvalidVectorException.class, e.getCause());
    assertThrows(
        DimensionMismatchException.class,
        () -> large.searchAsync(SearchRequest.of(new float[DIM - 1])));
  }

  private static SearchRequest template() {
    return SearchRequest.template().k(10);
  }

  /** Waits until the pool has nothing to do; a stopped batch has then left the native code. */
  private static void awaitIdle() throws Exception {
    large.searchAsync(SearchRequest.of(queries.row(0))).get(20, TimeUnit.SECONDS);
  }

  @Test
  void aCancelStopsTheNativeSearch() throws Exception {
    int threads = Math.min(8, Runtime.getRuntime().availableProcessors());
    long start = System.nanoTime();
    List<CompletableFuture<BatchResult>> futures = new ArrayList<>();
    for (int i = 0; i < 4 * threads; i++) {
      futures.add(large.searchBatchAsync(queries, template()));
    }
    Thread.sleep(30);
    for (var future : futures) {
      assertTrue(future.cancel(false));
      assertThrows(CancellationException.class, future::get);
    }
    awaitIdle();
    long stopped = System.nanoTime() - start;
    start = System.nanoTime();
    large.searchBatch(queries, template());
    long whole = System.nanoTime() - start;
    assertTrue(
        stopped < 4L * threads * whole / 2,
        () ->
            "%d cancelled batches took %d ms, one whole one %d ms"
                .formatted(4 * threads, stopped / 1_000_000, whole / 1_000_000));
  }

  /** A caller's own time limit on the future stops the search as well. */
  @Test
  void aTimeoutOfTheFutureStopsTheSearch() throws Exception {
    var future = large.searchBatchAsync(queries, template()).orTimeout(20, TimeUnit.MILLISECONDS);
    var e = assertThrows(ExecutionException.class, future::get);
    assertInstanceOf(TimeoutException.class, e.getCause());
    awaitIdle();
  }

  @Test
  void deadlines() {
    var hurried = template().timeout(Duration.ofMillis(5));
    long start = System.nanoTime();
    assertThrows(DeadlineExceededException.class, () -> large.searchBatch(queries, hurried));
    long millis = (System.nanoTime() - start) / 1_000_000;
    assertTrue(millis < 2_000, () -> "stopped only after %d ms".formatted(millis));
    assertThrows(
        DeadlineExceededException.class,
        () -> large.search(SearchRequest.of(queries.row(0)).k(10).timeout(Duration.ofNanos(1))));
    var e =
        assertThrows(
            ExecutionException.class, () -> large.searchBatchAsync(queries, hurried).get());
    assertInstanceOf(DeadlineExceededException.class, e.getCause());
    assertEquals(
        10, large.search(SearchRequest.of(queries.row(0)).timeout(Duration.ofHours(1))).size());
  }

  /** The time of a request runs while it waits, and it then fails without a native call. */
  @Test
  void waitingCountsAsTime() throws Exception {
    var release = new CountDownLatch(1);
    try {
      occupy(release);
      var future =
          large.searchAsync(SearchRequest.of(queries.row(0)).timeout(Duration.ofMillis(10)));
      Thread.sleep(30);
      release.countDown();
      var e = assertThrows(ExecutionException.class, future::get);
      assertInstanceOf(DeadlineExceededException.class, e.getCause());
      assertTrue(e.getCause().getMessage().contains("waited"), e.getCause().getMessage());
    } finally {
      release.countDown();
    }
  }

  /** Keeps all threads of the pool busy; each has begun when this returns. */
  private static void occupy(CountDownLatch release) throws InterruptedException {
    int threads = Math.min(8, Runtime.getRuntime().availableProcessors());
    var begun = new CountDownLatch(threads);
    for (int i = 0; i < threads; i++) {
      SearchPool.execute(
          () -> {
            begun.countDown();
            try {
              release.await();
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
            }
          });
    }
    begun.await();
  }

  @Test
  void aFullQueueRejects() throws Exception {
    var release = new CountDownLatch(1);
    List<CompletableFuture<SearchResult>> waiting = new ArrayList<>();
    var request = SearchRequest.of(queries.row(0));
    try {
      occupy(release);
      for (int i = 0; i < SearchPool.QUEUE; i++) {
        waiting.add(large.searchAsync(request));
      }
      var e = assertThrows(RejectedExecutionException.class, () -> large.searchAsync(request));
      assertTrue(e.getMessage().contains("1024"), e.getMessage());
      // A cancelled call makes room at once.
      waiting.getFirst().cancel(false);
      waiting.set(0, large.searchAsync(request));
    } finally {
      release.countDown();
    }
    for (var future : waiting) {
      assertEquals(10, future.get().size());
    }
  }

  @Test
  void confinedMemoryIsRefused() throws Exception {
    try (var confined = Arena.ofConfined();
        var shared = Arena.ofShared()) {
      MemorySegment own = confined.allocate(ValueLayout.JAVA_FLOAT, DIM);
      MemorySegment ids = shared.allocate(ValueLayout.JAVA_LONG, 10);
      MemorySegment scores = shared.allocate(ValueLayout.JAVA_FLOAT, 10);
      Vectors everyones = Vectors.of(shared.allocate(ValueLayout.JAVA_FLOAT, DIM), DIM);
      Vectors mine = Vectors.of(own, DIM);
      assertConfined(() -> large.searchBatchAsync(mine, template()), "queries");
      assertConfined(() -> large.searchBatchAsync(mine, template(), ids, scores), "queries");
      MemorySegment ownIds = confined.allocate(ValueLayout.JAVA_LONG, 10);
      MemorySegment ownScores = confined.allocate(ValueLayout.JAVA_FLOAT, 10);
      assertConfined(() -> large.searchBatchAsync(everyones, template(), ownIds, scores), "ids");
      assertConfined(() -> large.searchBatchAsync(everyones, template(), ids, ownScores), "scores");
      large.searchBatchAsync(everyones, template(), ids, scores).get();
      // A single query is copied at submit, wherever it is.
      assertEquals(10, large.searchAsync(SearchRequest.of(own)).get().size());
    }
  }

  private static void assertConfined(org.junit.jupiter.api.function.Executable call, String name) {
    var e = assertThrows(IllegalArgumentException.class, call);
    assertTrue(e.getMessage().startsWith(name + " is confined to one thread"), e.getMessage());
  }

  @Test
  void anIndexClosedMeanwhile() throws Exception {
    var release = new CountDownLatch(1);
    CompletableFuture<SearchResult> future;
    try (var index = FlatF32Index.create(2, IndexOptions.defaults())) {
      index.add(1, new float[] {1, 2});
      occupy(release);
      future = index.searchAsync(SearchRequest.of(new float[] {1, 2}));
    }
    release.countDown();
    var e = assertThrows(ExecutionException.class, future::get);
    assertInstanceOf(IllegalStateException.class, e.getCause());
  }

  /** Threads of the pool outlive their callers, and must not hold on to their class loaders. */
  @Test
  void poolThreadsHaveNoContextClassLoader() throws Exception {
    var loader = new CompletableFuture<ClassLoader>();
    SearchPool.execute(() -> loader.complete(Thread.currentThread().getContextClassLoader()));
    assertNull(loader.get());
  }
}
