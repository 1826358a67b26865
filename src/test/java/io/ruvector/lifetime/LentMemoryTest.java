package io.ruvector.lifetime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.ruvector.index.BatchResult;
import io.ruvector.index.FlatF32Index;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.IvfIndex;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Memory that a call was given stays there until the call returns, whatever another thread does.
 *
 * <p>It is mapped from a file: closing its arena unmaps it at once, and a read of it ends the
 * process.
 */
class LentMemoryTest {
  private static final int DIM = 32;
  private static final int ROWS = 400;
  private static final int K = 3;
  private static final int ROUNDS = 25;

  /** What a thread does with the memory, over and over until it is closed. */
  private enum Call {
    BUILD,
    BUILD_CELLS,
    IDS,
    ADD,
    UPSERT,
    SEARCH,
    BATCH,
    BATCH_RESULTS,
    BATCH_ASYNC
  }

  @TempDir Path folder;

  private final Random random = Seed.random("lentMemory");
  private final float[][] vectors = Data.vectors(random, ROWS, DIM);
  private final RabitqPlusIndex index =
      RabitqPlusIndex.build(Vectors.copyOf(vectors), IndexOptions.defaults());

  /** Rows, ids and places for results in memory of one arena. */
  private record Lent(
      MemorySegment rows, MemorySegment ids, MemorySegment hits, MemorySegment scores) {
    Vectors view() {
      return Vectors.of(rows, DIM);
    }
  }

  private static MemorySegment map(Path file, long bytes, Arena arena) throws IOException {
    try (var channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
    }
  }

  private Lent lend(float[][] rows, Arena arena) throws IOException {
    long n = rows.length;
    long rowBytes = (long) DIM * Float.BYTES;
    Path file = folder.resolve("rows-" + n);
    long idsAt = n * rowBytes;
    long hitsAt = idsAt + n * Long.BYTES;
    long scoresAt = hitsAt + n * K * Long.BYTES;
    long bytes = scoresAt + n * K * Float.BYTES;
    if (!Files.exists(file)) {
      Files.createFile(file);
      try (var own = Arena.ofConfined()) {
        MemorySegment written = map(file, bytes, own);
        for (int i = 0; i < n; i++) {
          MemorySegment.copy(rows[i], 0, written, ValueLayout.JAVA_FLOAT, i * rowBytes, DIM);
          written.set(ValueLayout.JAVA_LONG, idsAt + i * (long) Long.BYTES, i);
        }
      }
    }
    // Apart from each other, so that each is unmapped on its own.
    return new Lent(
        map(file, bytes, arena).asSlice(0, idsAt),
        map(file, bytes, arena).asSlice(idsAt, n * Long.BYTES),
        map(file, bytes, arena).asSlice(hitsAt, n * K * Long.BYTES),
        map(file, bytes, arena).asSlice(scoresAt));
  }

  private static void build(Vectors view, Ids ids) {
    RabitqPlusIndex.build(view, ids, IndexOptions.defaults()).close();
  }

  private void run(Call call, Lent lent) {
    Vectors view = lent.view();
    var template = SearchRequest.template().k(K);
    switch (call) {
      case BUILD -> build(view, Ids.from(0));
      case BUILD_CELLS -> IvfIndex.build(view, IndexOptions.defaults()).close();
      case IDS -> build(Vectors.copyOf(vectors), Ids.of(lent.ids));
      case ADD -> {
        try (var empty = FlatF32Index.create(DIM, IndexOptions.defaults())) {
          empty.addAll(view, Ids.from(0));
        }
      }
      case UPSERT -> {
        try (var empty = FlatF32Index.create(DIM, IndexOptions.defaults())) {
          empty.upsertAll(view, Ids.from(0));
        }
      }
      case SEARCH -> {
        var request = SearchRequest.of(lent.rows.asSlice(0, DIM * Float.BYTES)).k(K);
        for (int i = 0; i < 100; i++) {
          assertEquals(0, index.search(request).ids()[0]);
        }
      }
      case BATCH ->
          assertArrayEquals(
              index.search(vectors[7], K).ids(), index.searchBatch(view, template).get(7).ids());
      case BATCH_RESULTS -> index.searchBatch(view, template, lent.hits, lent.scores);
      case BATCH_ASYNC -> {
        try {
          index.searchBatchAsync(view, template, lent.hits, lent.scores).join();
        } catch (CompletionException e) {
          if (e.getCause() instanceof IllegalStateException closed) {
            throw closed;
          }
          throw e;
        }
      }
    }
  }

  /** Closes the arena as soon as it lets itself be closed; returns how often it did not. */
  private static int close(Arena arena) {
    for (int refused = 0; ; refused++) {
      try {
        arena.close();
        return refused;
      } catch (IllegalStateException inUse) {
        Thread.onSpinWait();
      }
    }
  }

  private static Thread collector(AtomicBoolean stop) {
    return Thread.ofPlatform()
        .start(
            () -> {
              while (!stop.get()) {
                System.gc();
                LockSupport.parkNanos(5_000_000);
              }
            });
  }

  private void closeUnder(Call call, Thread.Builder threads) throws Exception {
    var failure = new AtomicReference<Throwable>();
    var stop = new AtomicBoolean();
    Thread collector = collector(stop);
    int refused = 0;
    for (int round = 0; round < ROUNDS && failure.get() == null; round++) {
      // Closed by the loop below, not by this thread's end.
      Arena arena = Arena.ofShared();
      Lent lent = lend(vectors, arena);
      var begun = new CountDownLatch(1);
      Thread user =
          threads.start(
              () -> {
                try {
                  while (true) {
                    run(call, lent);
                    begun.countDown();
                  }
                } catch (IllegalStateException closed) {
                  if (arena.scope().isAlive()) {
                    failure.set(closed);
                  }
                } catch (Throwable e) {
                  failure.set(e);
                } finally {
                  begun.countDown();
                }
              });
      begun.await();
      LockSupport.parkNanos(random.nextInt(3_000_000));
      refused += close(arena);
      user.join();
    }
    stop.set(true);
    collector.join();
    index.close();
    if (failure.get() != null) {
      throw new AssertionError(failure.get());
    }
    if (call != Call.SEARCH) {
      // Whether one does is the scheduler's to say; longCalls makes sure of it.
      assumeTrue(refused > 0, "no close met a call");
    }
  }

  @ParameterizedTest
  @EnumSource
  void platformThread(Call call) throws Exception {
    closeUnder(call, Thread.ofPlatform());
  }

  /** Its long calls are made by a thread of the pool. */
  @ParameterizedTest
  @EnumSource
  void virtualThread(Call call) throws Exception {
    closeUnder(call, Thread.ofVirtual());
  }

  /** One call that takes long: no close goes through while it runs, and its result is whole. */
  @Test
  void longCalls() throws Exception {
    float[][] many = Data.vectors(random, 20_000, DIM);
    var options = IndexOptions.defaults();
    var template = SearchRequest.template().k(K);
    try (var expected = RabitqPlusIndex.build(Vectors.copyOf(many), options)) {
      BatchResult truth = expected.searchBatch(Vectors.copyOf(many), template);
      for (Thread.Builder threads :
          new Thread.Builder[] {Thread.ofPlatform(), Thread.ofVirtual()}) {
        try (var built = disturbed(many, threads, view -> RabitqPlusIndex.build(view, options))) {
          assertTrue(built.contentEquals(expected));
        }
        BatchResult found = disturbed(many, threads, view -> expected.searchBatch(view, template));
        assertEquals(truth.size(), found.size());
        for (int i = 0; i < truth.size(); i++) {
          assertArrayEquals(truth.get(i).ids(), found.get(i).ids());
        }
      }
    }
    index.close();
  }

  /** The result of a call during which another thread tried to close its memory. */
  private <R> R disturbed(float[][] rows, Thread.Builder threads, Function<Vectors, R> call)
      throws Exception {
    for (int attempt = 0; attempt < 100; attempt++) {
      Arena arena = Arena.ofShared();
      Vectors view = lend(rows, arena).view();
      var result = new CompletableFuture<R>();
      threads.start(
          () -> {
            try {
              result.complete(call.apply(view));
            } catch (Throwable e) {
              result.completeExceptionally(e);
            }
          });
      Thread.sleep(attempt);
      boolean met = close(arena) > 0;
      try {
        R done = result.get();
        if (met) {
          return done;
        }
      } catch (ExecutionException e) {
        assertInstanceOf(IllegalStateException.class, e.getCause(), "closed before the call");
      }
    }
    return fail("no close met the call");
  }

  /** Memory of one thread is refused to all others, and serves its own, virtual or not. */
  @Test
  void confinedMemory() throws Exception {
    var failure = new AtomicReference<Throwable>();
    for (Thread.Builder threads : new Thread.Builder[] {Thread.ofPlatform(), Thread.ofVirtual()}) {
      threads
          .start(
              () -> {
                try (var arena = Arena.ofConfined()) {
                  Lent lent = lend(vectors, arena);
                  for (Call call : Call.values()) {
                    if (call != Call.BATCH_ASYNC) {
                      run(call, lent);
                    }
                  }
                } catch (Throwable e) {
                  failure.set(e);
                }
              })
          .join();
    }
    if (failure.get() != null) {
      throw new AssertionError(failure.get());
    }
    try (var arena = Arena.ofConfined()) {
      Lent lent = lend(vectors, arena);
      for (Thread.Builder threads :
          new Thread.Builder[] {Thread.ofPlatform(), Thread.ofVirtual()}) {
        threads
            .start(
                () -> {
                  try {
                    for (Call call : Call.values()) {
                      if (call != Call.BATCH_ASYNC) {
                        assertThrows(WrongThreadException.class, () -> run(call, lent));
                      }
                    }
                  } catch (Throwable e) {
                    failure.set(e);
                  }
                })
            .join();
      }
    }
    if (failure.get() != null) {
      throw new AssertionError(failure.get());
    }
    index.close();
  }
}
