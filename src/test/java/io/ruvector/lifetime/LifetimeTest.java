package io.ruvector.lifetime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.ruvector.index.FlatF32Index;
import io.ruvector.index.IdFilter;
import io.ruvector.index.IdVector;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.IvfIndex;
import io.ruvector.index.Originals;
import io.ruvector.index.PreparedFilter;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.RangeRequest;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import io.ruvector.internal.NativeLibrary;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Native objects are freed once, never in use, and always in the end. */
class LifetimeTest {
  private static final int DIM = 16;
  private static final int WAIT_SECONDS = 30;

  @TempDir Path folder;

  /** What the reaper and the Cleaner have to do is done in the end. */
  private static void awaitLiveHandles(long expected) throws InterruptedException {
    long end = System.nanoTime() + WAIT_SECONDS * 1_000_000_000L;
    while (NativeLibrary.liveHandles() != expected) {
      if (System.nanoTime() > end) {
        fail("%d handles are alive, expected %d".formatted(NativeLibrary.liveHandles(), expected));
      }
      System.gc();
      Thread.sleep(10);
    }
  }

  private static RabitqPlusIndex small(Random random) {
    return RabitqPlusIndex.build(
        Vectors.copyOf(Data.vectors(random, 40, DIM)), IndexOptions.defaults());
  }

  @Test
  void aThousandTimes() throws InterruptedException {
    Random random = Seed.random("thousand");
    awaitLiveHandles(NativeLibrary.liveHandles());
    long before = NativeLibrary.liveHandles();
    Path file = folder.resolve("index");
    try (var index = small(random)) {
      index.save(file);
    }
    float[] query = Data.vector(random, DIM);
    for (int i = 0; i < 1_000; i++) {
      try (var index = VectorIndex.open(file);
          var prepared = index.prepare(IdFilter.range(0, 20));
          var buffer = VectorBuffer.allocate(2, DIM)) {
        buffer.put(0, query);
        index.upsert(i, query);
        assertEquals(1, index.search(query, 1).size());
        index.search(SearchRequest.of(query).filter(prepared));
        index.search(SearchRequest.of(query).filter(IdFilter.of(i)));
        if (index instanceof Iterable<?> rows && i % 10 == 0) {
          rows.iterator().next();
        }
      }
    }
    awaitLiveHandles(before);
  }

  @Test
  void useAfterClose() {
    Random random = Seed.random("afterClose");
    float[] query = Data.vector(random, DIM);
    RabitqPlusIndex index = small(random);
    RabitqPlusIndex open = small(random);
    PreparedFilter prepared = index.prepare(IdFilter.of(1));
    Iterator<IdVector> rows = index.iterator();
    var rotation = index.rotation();
    index.close();
    index.close();
    assertTrue(index.isClosed());
    assertEquals("RabitqPlusIndex[closed]", index.toString());
    var request = SearchRequest.of(query);
    Vectors vectors = Vectors.copyOf(query);
    List<Executable> uses =
        List.of(
            () -> index.add(99, query),
            () -> index.addAll(vectors, Ids.from(99)),
            () -> index.upsert(1, query),
            () -> index.upsertAll(vectors, Ids.from(1)),
            () -> index.remove(1),
            index::compact,
            () -> index.contains(1),
            () -> index.search(query, 1),
            () -> index.search(request),
            () -> index.search(request.filter(IdFilter.of(1))),
            () -> index.search(request, new long[10], new float[10]),
            () -> index.searchAsync(request),
            () -> index.searchBatch(vectors, request),
            () -> index.searchBatchAsync(vectors, request),
            () -> index.searchRange(RangeRequest.of(query, 1)),
            () -> index.prepare(IdFilter.all()),
            index::info,
            index::size,
            index::memoryBytes,
            index::codes,
            index::rotation,
            () -> rotation.apply(query),
            () -> index.save(folder.resolve("closed")),
            () -> index.exportRbpx(folder.resolve("closed.rbpx")),
            () -> index.contentEquals(open),
            () -> open.contentEquals(index),
            () -> index.get(1),
            index::originals,
            index::iterator);
    for (int i = 0; i < uses.size(); i++) {
      int which = i;
      assertThrows(IllegalStateException.class, uses.get(i), () -> "use " + which);
    }
    // An iteration has a snapshot of its own, and goes on.
    int n = 0;
    while (rows.hasNext()) {
      rows.next();
      n++;
    }
    assertEquals(40, n);
    prepared.close();
    open.close();
  }

  /** Searches in compiled code while the index is closed under them, again and again. */
  @Test
  void closeDuringSearch() throws InterruptedException {
    Random random = Seed.random("duringSearch");
    awaitLiveHandles(NativeLibrary.liveHandles());
    long before = NativeLibrary.liveHandles();
    float[][] vectors = Data.vectors(random, 2_000, DIM);
    var current = new AtomicReference<VectorIndex>();
    var stop = new AtomicBoolean();
    var searches = new AtomicInteger();
    var refused = new AtomicInteger();
    var failure = new AtomicReference<Throwable>();
    IdFilter filter = IdFilter.range(0, 1_000);
    // So few cells are all probed, and every search finds its row.
    IndexOptions fewCells = IndexOptions.defaults().nlist(16);
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < 4; t++) {
      boolean filtered = t % 2 == 0;
      boolean virtual = t == 3;
      Runnable search =
          () -> {
            var request = SearchRequest.of(vectors[7]).k(3).filter(filter);
            while (!stop.get()) {
              VectorIndex index = current.get();
              if (index == null) {
                Thread.onSpinWait();
                continue;
              }
              try {
                var result = filtered ? index.search(request) : index.search(vectors[7], 3);
                assertEquals(7, result.ids()[0]);
                searches.incrementAndGet();
              } catch (IllegalStateException closed) {
                refused.incrementAndGet();
              } catch (Throwable e) {
                failure.set(e);
                return;
              }
            }
          };
      threads.add(virtual ? Thread.ofVirtual().start(search) : Thread.ofPlatform().start(search));
    }
    for (int i = 0; i < 60 && failure.get() == null; i++) {
      Vectors rows = Vectors.copyOf(vectors);
      VectorIndex index =
          i % 2 == 0
              ? FlatF32Index.build(rows, IndexOptions.defaults())
              : IvfIndex.build(rows, fewCells);
      int enough = searches.get() + 200;
      current.set(index);
      while (searches.get() < enough && failure.get() == null) {
        Thread.sleep(1);
      }
      if (i % 3 == 0) {
        System.gc();
      }
      long start = System.nanoTime();
      index.close();
      long millis = (System.nanoTime() - start) / 1_000_000;
      assertTrue(millis < 1_000, () -> "close waited %d ms".formatted(millis));
    }
    stop.set(true);
    for (Thread thread : threads) {
      thread.join();
    }
    if (failure.get() != null) {
      throw new AssertionError(failure.get());
    }
    assertTrue(searches.get() > 10_000, () -> "only %d searches".formatted(searches.get()));
    assertTrue(refused.get() > 0, "no search met a closed index");
    current.set(null);
    awaitLiveHandles(before);
  }

  /**
   * Without a fence, compiled code gives an index up before its last call returns, and the Cleaner
   * frees it under that call. Each index here is used by one last search, while another thread
   * collects garbage.
   */
  @Test
  void forgottenDuringTheirLastSearch() throws InterruptedException {
    Random random = Seed.random("lastSearch");
    awaitLiveHandles(NativeLibrary.liveHandles());
    long before = NativeLibrary.liveHandles();
    float[][] vectors = Data.vectors(random, 64, DIM);
    Vectors rows = Vectors.copyOf(vectors);
    var stop = new AtomicBoolean();
    Thread collector =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!stop.get()) {
                    System.gc();
                    LockSupport.parkNanos(2_000_000);
                  }
                });
    try {
      for (int i = 0; i < 12_000; i++) {
        assertEquals(i % 64, lastSearch(rows, vectors[i % 64]));
      }
    } finally {
      stop.set(true);
      collector.join();
    }
    awaitLiveHandles(before);
  }

  private static long lastSearch(Vectors rows, float[] query) {
    return FlatF32Index.build(rows, IndexOptions.defaults()).search(query, 1).ids()[0];
  }

  @Test
  void everyForgottenObjectIsFreed() throws InterruptedException {
    Random random = Seed.random("forgotten");
    awaitLiveHandles(NativeLibrary.liveHandles());
    long before = NativeLibrary.liveHandles();
    forget(random);
    awaitLiveHandles(before);
  }

  private static void forget(Random random) {
    for (int i = 0; i < 20; i++) {
      var index = small(random);
      index.prepare(IdFilter.of(1, 2, 3));
      index.search(SearchRequest.of(new float[DIM]).filter(IdFilter.of(1)));
      index.iterator().next();
      VectorBuffer.allocate(3, DIM);
    }
  }

  /**
   * A batch in native code holds its index: close returns, and the batch ends as if nothing were.
   */
  @Test
  void closeDuringABatch() throws Exception {
    Random random = Seed.random("duringBatch");
    awaitLiveHandles(NativeLibrary.liveHandles());
    long before = NativeLibrary.liveHandles();
    VectorBuffer buffer = VectorBuffer.allocate(6_000, DIM);
    for (int i = 0; i < 6_000; i++) {
      buffer.put(i, Data.vector(random, DIM));
    }
    Vectors queries = buffer.asVectors();
    var adopt = IndexOptions.defaults().originals(Originals.ADOPT);
    var index = FlatF32Index.build(queries, IndexOptions.defaults());
    PreparedFilter prepared = index.prepare(IdFilter.range(0, 5_999));
    var batch = index.searchBatchAsync(queries, SearchRequest.template().k(1).filter(prepared));
    Thread.sleep(30);
    assertTrue(!batch.isDone(), "the batch was over before it could be disturbed");
    var e = assertThrows(IllegalStateException.class, () -> FlatF32Index.build(queries, adopt));
    assertEquals("VectorBuffer is in use by another call", e.getMessage());
    buffer.close();
    prepared.close();
    index.close();
    assertThrows(IllegalStateException.class, index::size);
    assertThrows(IllegalStateException.class, buffer::segment);
    assertEquals(6_000, batch.get().size());
    assertArrayEquals(new long[] {17}, batch.get().get(17).ids());
    awaitLiveHandles(before);
  }

  /** A buffer is adopted by one of many threads that try, and read by none afterwards. */
  @Test
  void adoptionHasOneWinner() throws InterruptedException {
    var adopt = IndexOptions.defaults().originals(Originals.ADOPT);
    awaitLiveHandles(NativeLibrary.liveHandles());
    long before = NativeLibrary.liveHandles();
    for (int round = 0; round < 500; round++) {
      VectorBuffer buffer = VectorBuffer.allocate(10, DIM);
      Vectors view = buffer.asVectors();
      var adopted = new AtomicInteger();
      List<Thread> threads = new ArrayList<>();
      for (int t = 0; t < 3; t++) {
        boolean closes = t == 2;
        threads.add(
            Thread.ofPlatform()
                .start(
                    () -> {
                      if (closes) {
                        buffer.close();
                        return;
                      }
                      try {
                        FlatF32Index.build(view, adopt).close();
                        adopted.incrementAndGet();
                      } catch (IllegalStateException late) {
                        assertTrue(late.getMessage() != null);
                      }
                    }));
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertTrue(adopted.get() <= 1, "adopted twice");
    }
    awaitLiveHandles(before);
  }
}
