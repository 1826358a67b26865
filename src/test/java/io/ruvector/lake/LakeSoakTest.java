package io.ruvector.lake;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.index.Ids;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import io.ruvector.internal.NativeLibrary;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Searches, writes, failures and saves at random, with an oracle for each answer. Each collection
 * has one row that is nearest to the query, whose id is the number of the collection's last change:
 * a fresh answer names a change that was the last one at some moment of its search.
 *
 * <p>It runs for 3 minutes, or {@code -Dtests.soak=SECONDS}.
 */
class LakeSoakTest {
  private static final int DIM = 24;
  private static final int ROWS = 400;
  private static final int SEARCHERS = 3;
  private static final int COLLECTIONS = 3;

  /** Fewer than there are collections, so that some are always evicted. */
  private static final int ENTRIES = 6;

  /** Other rows are at least this far from the query. */
  private static final float[] QUERY = new float[DIM];

  static {
    Arrays.fill(QUERY, 50);
  }

  @TempDir Path folder;

  private final AtomicBoolean stop = new AtomicBoolean();
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private final List<Collection> collections = new ArrayList<>();

  /** A collection and the changes that were made to it. */
  private abstract static class Collection {
    final Target target;

    /** The last change that has begun. */
    final AtomicLong begun = new AtomicLong();

    /** The last change that is done: every search from now on must see it. */
    final AtomicLong done = new AtomicLong();

    Collection(String backend, String name) {
      target = Target.of(backend, name);
    }

    synchronized void change(Random random) throws Exception {
      long next = begun.incrementAndGet();
      write(next, random);
      done.set(next);
    }

    abstract void write(long change, Random random) throws Exception;
  }

  private static float[][] rows(Random random) {
    float[][] rows = Data.vectors(random, ROWS, DIM);
    rows[0] = QUERY.clone();
    return rows;
  }

  /** Ids under 0 for all rows but the one that the query finds. */
  private static Ids ids(long change) {
    long[] ids = new long[ROWS];
    for (int i = 1; i < ROWS; i++) {
      ids[i] = -i;
    }
    ids[0] = change;
    return Ids.of(ids);
  }

  @Test
  void everyAnswerIsAsNewAsWasPromised() throws Exception {
    long seconds = Long.getLong("tests.soak", 180);
    long handles = NativeLibrary.liveHandles();
    var adapter = new ScriptedAdapter();
    var down = new AtomicBoolean();
    adapter.onGeneration =
        () -> {
          if (down.get()) {
            throw new IllegalStateException("down");
          }
        };
    try (var memory = LocalBackend.create("memory");
        var files = FsBackend.open("files", folder.resolve("files"));
        var lake = RuLake.builder().maxCacheEntries(ENTRIES).build()) {
      lake.registerBackend(memory);
      lake.registerBackend(files);
      lake.registerBackend(adapter);
      collect(memory, files, adapter);
      Random first = Seed.random("soak");
      for (Collection collection : collections) {
        collection.change(first);
      }
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < SEARCHERS; i++) {
        threads.add(loop("search" + i, random -> search(lake, down, random)));
      }
      threads.add(
          loop(
              "write",
              random -> collections.get(random.nextInt(collections.size())).change(random)));
      threads.add(loop("disturb", random -> disturb(lake, down, adapter, random)));
      long end = System.nanoTime() + seconds * 1_000_000_000;
      while (System.nanoTime() < end && failure.get() == null) {
        Thread.sleep(100);
        var counts = lake.cacheStats().total();
        assertTrue(counts.entries() <= ENTRIES, counts::toString);
      }
      stop.set(true);
      for (Thread thread : threads) {
        thread.join();
      }
      if (failure.get() != null) {
        throw new AssertionError(failure.get());
      }
      System.out.println(lake.cacheStats());
      assertTrue(lake.cacheStats().total().hits() > 100, "too little was searched");
    }
    for (int i = 0; i < 500 && NativeLibrary.liveHandles() > handles; i++) {
      System.gc();
      Thread.sleep(10);
    }
    assertEquals(handles, NativeLibrary.liveHandles(), "native objects are left");
  }

  private void collect(LocalBackend memory, FsBackend files, ScriptedAdapter adapter) {
    for (int i = 0; i < COLLECTIONS; i++) {
      String name = "c" + i;
      collections.add(
          new Collection("memory", name) {
            @Override
            void write(long change, Random random) {
              if (change == 1 || random.nextInt(10) == 0) {
                memory.replace(name, Vectors.copyOf(rows(random)), ids(change));
              } else {
                // Both are nearest in between: the search may find either.
                memory.upsert(name, Vectors.copyOf(QUERY), Ids.of(change));
                memory.remove(name, change - 1);
              }
            }
          });
      collections.add(
          new Collection("files", name) {
            @Override
            void write(long change, Random random) {
              files.write(name, Vectors.copyOf(rows(random)), ids(change));
            }
          });
    }
    collections.add(
        new Collection(ScriptedAdapter.ID, "c") {
          @Override
          void write(long change, Random random) {
            adapter.put(-1 - random.nextInt(ROWS), Data.vector(random, DIM));
            adapter.put(change, QUERY);
            adapter.remove(change - 1);
          }
        });
  }

  /** One thing that a thread does again and again. */
  @FunctionalInterface
  private interface Step {
    void run(Random random) throws Exception;
  }

  private Thread loop(String name, Step step) {
    Random random = Seed.random("soak " + name);
    return Thread.ofPlatform()
        .name(name)
        .start(
            () -> {
              while (!stop.get() && failure.get() == null) {
                try {
                  step.run(random);
                } catch (Throwable t) {
                  failure.compareAndSet(null, t);
                }
              }
            });
  }

  private void search(RuLake lake, AtomicBoolean down, Random random) {
    Collection collection = collections.get(random.nextInt(collections.size()));
    long least = collection.done.get();
    boolean mayFail = collection.target.backend().equals(ScriptedAdapter.ID);
    try {
      var request = SearchRequest.of(QUERY).k(1);
      LakeResult found =
          random.nextInt(4) == 0
              ? lake.searchAsync(collection.target, request).join()
              : lake.search(collection.target, request);
      long id = found.ids()[0];
      long most = collection.begun.get();
      if (id < least || id > most || found.stale()) {
        throw new AssertionError(
            "%s: change %d in generation %s, expected %d to %d"
                .formatted(collection.target, id, found.generation(), least, most));
      }
    } catch (RuntimeException e) {
      Throwable cause = e instanceof java.util.concurrent.CompletionException ? e.getCause() : e;
      boolean changing =
          cause instanceof BackendException && cause.getMessage().contains("changed");
      boolean failing = mayFail && cause instanceof BackendException && wasDown(cause);
      if (!changing && !failing && !isUnstable(cause)) {
        throw e;
      }
    }
  }

  private static boolean wasDown(Throwable failure) {
    return failure.getCause() != null && "down".equals(failure.getCause().getMessage());
  }

  /** A collection that is written all the while may be given up. */
  private static boolean isUnstable(Throwable failure) {
    return failure instanceof LakeException
        && String.valueOf(failure.getMessage()).contains("change");
  }

  private void disturb(RuLake lake, AtomicBoolean down, ScriptedAdapter adapter, Random random)
      throws InterruptedException {
    Thread.sleep(random.nextInt(20));
    Collection collection = collections.get(random.nextInt(COLLECTIONS * 2));
    Target target = collection.target;
    Path saved = folder.resolve("saved").resolve(target.toString());
    try {
      switch (random.nextInt(8)) {
        case 0 -> lake.invalidateCache(target);
        case 1 -> lake.publishBundle(target, saved);
        case 2 -> lake.refreshFromBundleDir(target, saved);
        case 3 -> lake.saveCacheToDir(target, saved);
        case 4 -> lake.warmFromDir(target, saved);
        case 5 -> down.set(!down.get());
        case 6 -> adapter.snapshots = random.nextBoolean();
        default -> adapter.follows = random.nextBoolean();
      }
    } catch (LakeException e) {
      switch (e.code()) {
        // Nothing was saved yet, or is cached; or a sidecar is newer than the index beside it.
        case NOT_CACHED, BUNDLE, BACKEND -> {}
        default -> throw e;
      }
    } catch (io.ruvector.index.PersistException e) {
      // A sidecar without an index.
      assertTrue(String.valueOf(e.getMessage()).contains("No such file"), e.getMessage());
    }
  }

  /** Eventual answers are late by no more than their time to live, and those that are say so. */
  @Test
  void eventualAnswersAreLateByNoMoreThanTheyMay() throws Exception {
    Duration ttl = Duration.ofMillis(200);
    try (var memory = LocalBackend.create("memory");
        var lake = RuLake.builder().consistency(Consistency.eventual(ttl)).build()) {
      lake.registerBackend(memory);
      Target target = Target.of("memory", "c");
      Random random = Seed.random("eventual");
      memory.replace("c", Vectors.copyOf(rows(random)), ids(1));
      for (long change = 2; change < 30; change++) {
        memory.upsert("c", Vectors.copyOf(QUERY), Ids.of(change));
        memory.remove("c", change - 1);
        long written = System.nanoTime();
        while (true) {
          long asked = System.nanoTime();
          LakeResult found = lake.search(target, QUERY, 1);
          if (found.ids()[0] == change) {
            break;
          }
          assertTrue(
              asked - written <= ttl.toNanos(), "late by " + (asked - written) / 1_000_000 + " ms");
          Thread.sleep(1);
        }
      }
    }
  }
}
