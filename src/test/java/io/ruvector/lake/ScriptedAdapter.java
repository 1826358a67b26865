package io.ruvector.lake;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A backend whose rows, pace and failures the tests decide. */
final class ScriptedAdapter implements BackendAdapter {
  static final String ID = "scripted";
  static final Target TARGET = Target.of(ID, "c");

  /** What a test does within a call. */
  @FunctionalInterface
  interface Script {
    void run() throws Exception;
  }

  final AtomicInteger generations = new AtomicInteger();
  final AtomicInteger pulls = new AtomicInteger();
  final AtomicInteger followed = new AtomicInteger();
  volatile Script onGeneration = () -> {};

  /** Runs in each pull, after its rows are pushed. */
  volatile Script onPull = () -> {};

  volatile boolean snapshots;
  volatile boolean follows;
  private final SortedMap<Long, float[]> rows = new TreeMap<>();
  private final SortedMap<Long, Long> changed = new TreeMap<>();
  private long generation;

  synchronized void put(long id, float... row) {
    generation++;
    rows.put(id, row);
    changed.put(id, generation);
  }

  synchronized void remove(long id) {
    generation++;
    rows.remove(id);
    changed.put(id, generation);
  }

  synchronized Generation current() {
    return Generation.of(generation);
  }

  @Override
  public String id() {
    return ID;
  }

  @Override
  public List<String> collections() {
    return List.of("c");
  }

  @Override
  public Generation generation(String collection) throws Exception {
    generations.incrementAndGet();
    check(collection);
    onGeneration.run();
    return current();
  }

  private static void check(String collection) {
    if (!collection.equals("c")) {
      throw new UnknownCollectionException(collection);
    }
  }

  @Override
  public void pull(String collection, VectorSink sink) throws Exception {
    check(collection);
    pulls.incrementAndGet();
    synchronized (this) {
      if (snapshots) {
        sink.snapshot(current());
      }
      for (var row : rows.entrySet()) {
        sink.add(Vectors.copyOf(row.getValue()), Ids.of(row.getKey()));
      }
    }
    onPull.run();
  }

  @Override
  public synchronized boolean changesSince(String collection, Generation since, ChangeSink sink) {
    if (!follows) {
      return false;
    }
    followed.incrementAndGet();
    sink.snapshot(current());
    long known = ((Generation.Num) since).value();
    changed.forEach(
        (id, at) -> {
          float @Nullable [] row = rows.get(id);
          if (at > known && row == null) {
            sink.remove(id);
          } else if (at > known) {
            sink.add(Vectors.copyOf(row), Ids.of(id));
          }
        });
    return true;
  }
}
