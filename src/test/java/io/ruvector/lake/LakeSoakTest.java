package io.ruvector.lake;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException;
import io.ruvector.index.Ids;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import io.ruvector.internal.NativeLibrary;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import io.ruvector.resources.ProcessMemory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Searches, writes, failures, saves and kills at random, with an oracle for each answer. Each
 * collection has one row that is nearest to the query, whose id is the number of the collection's
 * last change: a fresh answer names a change that was the last one at some moment of its search.
 *
 * <p>The collections of one backend are written by a process that is killed again and again, into
 * the folder that this one reads. There a change decides all rows, so that an answer with every row
 * tells a whole state from a part.
 *
 * <p>It runs for 3 minutes, or {@code -Dtests.soak=SECONDS}.
 */
class LakeSoakTest {
  private static final int DIM = 24;
  private static final int ROWS = 400;
  private static final int SEARCHERS = 3;
  private static final int COLLECTIONS = 3;
  private static final int MEMORY_LOOKS = 36;

  /** Fewer than there are collections, so that some are always evicted. */
  private static final int ENTRIES = 8;

  /** Less than so many entries take, so that the bytes decide as well. */
  private static final long MAX_BYTES = 450_000;

  /** What the heap and native memory may grow by, where hundreds of megabytes come and go. */
  private static final long SLACK = 64 << 20;

  /** How far a score may be from the exact one, as a part of it. */
  private static final double ROUNDING = 1e-5;

  /** Temporary files of one name: that of a killed writer, and those of writers that live. */
  private static final int MAX_TEMPORARY = 4;

  /** Other rows are far from it. */
  static final float[] QUERY = new float[DIM];

  static {
    Arrays.fill(QUERY, 50);
  }

  @TempDir Path folder;

  private final AtomicBoolean stop = new AtomicBoolean();
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private final List<Collection> collections = new ArrayList<>();
  private final AtomicLong searches = new AtomicLong();
  private final AtomicLong wholes = new AtomicLong();
  private final AtomicLong restarts = new AtomicLong();
  private final AtomicLong refused = new AtomicLong();
  private final AtomicLong writes = new AtomicLong();
  private final AtomicLong kills = new AtomicLong();

  /** Files that killed writers left behind. */
  private final AtomicLong unfinished = new AtomicLong();

  /** A collection and the changes that were made to it. */
  private abstract static class Collection {
    final Target target;

    /** The last change that has begun. */
    final AtomicLong begun = new AtomicLong();

    /** The last change that is done, or was seen: every search from now on must see it. */
    final AtomicLong done = new AtomicLong();

    Collection(String backend, String name) {
      target = Target.of(backend, name);
    }

    synchronized boolean change(Random random) throws Exception {
      long next = begun.incrementAndGet();
      boolean written = write(next, random);
      if (written) {
        saw(next);
      }
      return written;
    }

    void saw(long change) {
      done.accumulateAndGet(change, Math::max);
    }

    /** Whether the change is made for certain. */
    abstract boolean write(long change, Random random) throws Exception;
  }

  private static float[][] rows(Random random) {
    float[][] rows = Data.vectors(random, ROWS, DIM);
    rows[0] = QUERY.clone();
    return rows;
  }

  /** All rows of a collection after a change, where that decides them. */
  private static float[][] rows(String collection, long change) {
    return rows(new Random(31 * change + collection.hashCode()));
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

  /** What the other process writes and this one reads. */
  static FsBackend shared(Path folder) {
    return FsBackend.open("shared", folder.resolve("shared"));
  }

  /** Where a collection's cache and sidecar are saved. */
  static Path saved(Path folder, Target target) {
    return folder.resolve("saved").resolve(target.toString());
  }

  static void write(FsBackend files, String collection, long change) {
    files.write(collection, Vectors.copyOf(rows(collection, change)), ids(change));
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
    var memories = new ArrayList<Memory>();
    try (var memory = LocalBackend.create("memory");
        var files = FsBackend.open("files", folder.resolve("files"));
        var shared = shared(folder);
        var writer = new WriterProcess(folder);
        var lake = RuLake.builder().maxCacheEntries(ENTRIES).maxCacheBytes(MAX_BYTES).build()) {
      for (Backend backend : List.of(memory, files, shared, adapter)) {
        lake.registerBackend(backend);
      }
      collect(memory, files, writer, adapter);
      Random first = Seed.random("soak");
      for (Collection collection : collections) {
        assertTrue(collection.change(first));
      }
      List<Collection> sharedOnes =
          collections.stream().filter(c -> c.target.backend().equals(shared.id())).toList();
      List<Collection> own = new ArrayList<>(collections);
      own.removeAll(sharedOnes);
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < SEARCHERS; i++) {
        threads.add(loop("search" + i, random -> search(lake, down, random)));
      }
      threads.add(
          loop(
              "write",
              random -> {
                any(own, random).change(random);
                writes.incrementAndGet();
              }));
      threads.add(loop("disturb", random -> disturb(lake, down, adapter, random)));
      threads.add(loop("other", random -> writeThere(writer, any(sharedOnes, random), random)));
      threads.add(loop("kill", random -> kill(writer, random)));
      threads.add(loop("restart", random -> restart(shared, any(sharedOnes, random), random)));
      long begin = System.nanoTime();
      long end = begin + seconds * 1_000_000_000;
      long look = begin;
      while (System.nanoTime() < end && failure.get() == null) {
        Thread.sleep(100);
        var counts = lake.cacheStats().total();
        assertTrue(counts.entries() <= ENTRIES && counts.bytes() <= MAX_BYTES, counts::toString);
        temporary(folder)
            .values()
            .forEach(some -> assertTrue(some.size() <= MAX_TEMPORARY, some::toString));
        if (System.nanoTime() >= look) {
          memories.add(Memory.now());
          look += (end - begin) / MEMORY_LOOKS;
        }
      }
      stop.set(true);
      for (Thread thread : threads) {
        thread.join();
      }
      if (failure.get() != null) {
        throw new AssertionError(failure.get());
      }
      writer.kill();
      // Whoever writes next takes away what was left behind.
      for (Collection collection : sharedOnes) {
        write(shared, collection.target.collection(), collection.begun.incrementAndGet());
        lake.search(collection.target, QUERY, 1);
        lake.saveCacheToDir(collection.target, saved(folder, collection.target));
      }
      assertEquals(Map.of(), temporary(folder));
      System.out.println(lake.cacheStats());
      System.out.printf(
          "soak: %d s, %,d searches, %,d of them of every row, %,d writes, %,d of another process"
              + " that was killed %,d times and left %,d unfinished files, %,d restarts, %,d"
              + " refused%n",
          seconds,
          searches.get(),
          wholes.get(),
          writes.get(),
          sharedOnes.stream().mapToLong(c -> c.begun.get()).sum(),
          kills.get(),
          unfinished.get(),
          restarts.get(),
          refused.get());
      assertTrue(lake.cacheStats().total().hits() > 100, "too little was searched");
      assertTrue(kills.get() > 0 && restarts.get() > 0, "too little was killed or saved");
    }
    checkGrowth(memories);
    for (int i = 0; i < 500 && NativeLibrary.liveHandles() > handles; i++) {
      System.gc();
      Thread.sleep(10);
    }
    assertEquals(handles, NativeLibrary.liveHandles(), "native objects are left");
  }

  /** Bytes in use on Java's heap and by native code, and resident. */
  private record Memory(long heap, long allocated, long resident) {
    static Memory now() throws IOException {
      System.gc();
      var heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
      long resident = ProcessMemory.isCounted() ? ProcessMemory.resident() : 0;
      return new Memory(heap, ProcessMemory.allocated().orElse(0), resident);
    }
  }

  /**
   * Compares the least of the last third with that of the third before: what is in use for a moment
   * does not count, nor what the first third brings.
   */
  private static void checkGrowth(List<Memory> looks) {
    int third = looks.size() / 3;
    Map<String, ToLongFunction<Memory>> kinds =
        Map.of("heap", Memory::heap, "native", Memory::allocated);
    kinds.forEach(
        (kind, bytes) -> {
          long before = least(looks.subList(third, 2 * third), bytes);
          long after = least(looks.subList(2 * third, looks.size()), bytes);
          long most = looks.stream().mapToLong(bytes).max().orElseThrow();
          System.out.printf(
              "soak: %s memory in use %.1f MB, then %.1f MB, %.1f MB at most%n",
              kind, before / 1e6, after / 1e6, most / 1e6);
          assertTrue(after - before <= SLACK, kind + " memory grows");
        });
    long resident = looks.stream().mapToLong(Memory::resident).max().orElseThrow();
    System.out.printf("soak: %.1f MB resident at most%n", resident / 1e6);
  }

  private static long least(List<Memory> looks, ToLongFunction<Memory> bytes) {
    return looks.stream().mapToLong(bytes).min().orElseThrow();
  }

  private void collect(
      LocalBackend memory, FsBackend files, WriterProcess writer, ScriptedAdapter adapter) {
    for (int i = 0; i < COLLECTIONS; i++) {
      String name = "c" + i;
      collections.add(
          new Collection("memory", name) {
            @Override
            boolean write(long change, Random random) {
              if (change == 1 || random.nextInt(10) == 0) {
                memory.replace(name, Vectors.copyOf(rows(random)), ids(change));
              } else {
                // Both are nearest in between: the search may find either.
                memory.upsert(name, Vectors.copyOf(QUERY), Ids.of(change));
                memory.remove(name, change - 1);
              }
              return true;
            }
          });
      collections.add(
          new Collection("files", name) {
            @Override
            boolean write(long change, Random random) {
              files.write(name, Vectors.copyOf(rows(random)), ids(change));
              return true;
            }
          });
      collections.add(
          new Collection("shared", name) {
            @Override
            boolean write(long change, Random random) throws IOException {
              return writer.run(WriterProcess.Command.WRITE, name, change);
            }
          });
    }
    collections.add(
        new Collection(ScriptedAdapter.ID, "c") {
          @Override
          boolean write(long change, Random random) {
            adapter.put(-1 - random.nextInt(ROWS), Data.vector(random, DIM));
            adapter.put(change, QUERY);
            adapter.remove(change - 1);
            return true;
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

  private static Collection any(List<Collection> some, Random random) {
    return some.get(random.nextInt(some.size()));
  }

  private void search(RuLake lake, AtomicBoolean down, Random random) {
    Collection collection = any(collections, random);
    long least = collection.done.get();
    boolean mayFail = collection.target.backend().equals(ScriptedAdapter.ID);
    boolean whole = collection.target.backend().equals("shared") && random.nextInt(8) == 0;
    try {
      var request = SearchRequest.of(QUERY).k(whole ? ROWS : 1);
      LakeResult found =
          random.nextInt(4) == 0
              ? lake.searchAsync(collection.target, request).join()
              : lake.search(collection.target, request);
      check(collection, found, least, whole);
      collection.saw(found.ids()[0]);
      searches.incrementAndGet();
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

  /** That an answer is of one change, not before the least nor one that has not begun. */
  private void check(Collection collection, LakeResult found, long least, boolean whole) {
    long change = found.ids()[0];
    long most = collection.begun.get();
    if (change < least || change > most || found.stale()) {
      throw new AssertionError(
          "%s: change %d in generation %s, expected %d to %d"
              .formatted(collection.target, change, found.generation(), least, most));
    }
    if (!whole) {
      return;
    }
    float[][] rows = rows(collection.target.collection(), change);
    long[] ids = found.ids();
    assertEquals(ROWS, Arrays.stream(ids).distinct().count(), "rows of change " + change);
    for (int i = 0; i < ROWS; i++) {
      double expected = 0;
      float[] row = rows[ids[i] == change ? 0 : Math.toIntExact(-ids[i])];
      for (int j = 0; j < DIM; j++) {
        expected += Math.pow((double) row[j] - QUERY[j], 2);
      }
      assertEquals(expected, found.scores()[i], ROUNDING * expected, "change " + change);
    }
    wholes.incrementAndGet();
  }

  /** The other process is never idle, so that kills meet it at work. */
  private void writeThere(WriterProcess writer, Collection collection, Random random)
      throws Exception {
    String name = collection.target.collection();
    switch (random.nextInt(5)) {
      case 0 -> writer.run(WriterProcess.Command.PUBLISH, name, 0);
      case 1, 2 -> writer.run(WriterProcess.Command.SAVE, name, 0);
      default -> collection.change(random);
    }
  }

  /** By what it did, not by time: it starts slowly on a busy machine. */
  private void kill(WriterProcess writer, Random random) throws Exception {
    long until = writer.done.get() + random.nextInt(20);
    while (writer.done.get() < until && !stop.get() && failure.get() == null) {
      Thread.sleep(1);
    }
    Thread.sleep(random.nextInt(20));
    if (writer.kill()) {
      kills.incrementAndGet();
      unfinished.addAndGet(temporary(folder.resolve("shared")).size());
    }
  }

  /** As a process that starts: what it finds saved is all of one change, or is refused. */
  private void restart(FsBackend shared, Collection collection, Random random)
      throws InterruptedException {
    Thread.sleep(random.nextInt(100));
    Target target = collection.target;
    try (var lake = RuLake.builder().consistency(Consistency.frozen()).build()) {
      lake.registerBackend(shared);
      lake.warmFromDir(target, saved(folder, target));
      var request = SearchRequest.of(QUERY).k(ROWS);
      check(collection, lake.search(target, request), 1, true);
      restarts.incrementAndGet();
    } catch (RuVectorException e) {
      expectUnfinished(e);
      refused.incrementAndGet();
    }
  }

  /** Whether a saved cache was refused for what it may be: not there, or of two saves. */
  private static void expectUnfinished(RuVectorException e) {
    String message = String.valueOf(e.getMessage());
    if (!message.contains("No such file") && !message.contains("content_hash is")) {
      throw e;
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
    Target target = collections.get(random.nextInt(COLLECTIONS * 3)).target;
    Path saved = saved(folder, target);
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
    } catch (RuVectorException e) {
      switch (e.code()) {
        case NOT_CACHED, BACKEND -> {}
        case BUNDLE, PERSIST -> expectUnfinished(e);
        default -> throw e;
      }
    }
  }

  /** Temporary files by the name that they are to take. */
  private static Map<String, List<Path>> temporary(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(path -> path.getFileName().toString().contains(".tmp-"))
          .collect(Collectors.groupingBy(path -> path.toString().replaceAll("tmp-.*", "")));
    } catch (UncheckedIOException e) {
      // One that was there is gone.
      return Map.of();
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
