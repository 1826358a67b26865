package io.ruvector.cli;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.function.IntConsumer;

/** Times single searches, one after another on the calling thread. */
final class Measurement {
  private static final int WARM_PASSES = 3;
  private static final double WARM_AGREEMENT = 1.02;
  private static final int PASSES = 5;

  private final IntConsumer search;
  private long[] nanos = new long[1 << 16];
  private int count;

  /**
   * Nothing is timed yet.
   *
   * @param search searches for the query of that number
   */
  Measurement(IntConsumer search) {
    this.search = search;
  }

  /** Queries per second by the wall and by the CPU time of the whole process. */
  record Speed(double wall, double cpu) {}

  /** Runs the first queries until three passes agree within 2%, or the time is up. */
  void warmUp(int queries, double seconds) {
    Deque<Double> last = new ArrayDeque<>();
    long end = System.nanoTime() + (long) (seconds * 1e9);
    while (System.nanoTime() < end) {
      double start = CLibrary.cpuSeconds();
      for (int i = 0; i < queries; i++) {
        search.accept(i);
      }
      last.add(CLibrary.cpuSeconds() - start);
      if (last.size() > WARM_PASSES) {
        last.remove();
      }
      if (last.size() == WARM_PASSES
          && Collections.max(last) <= WARM_AGREEMENT * Collections.min(last)) {
        return;
      }
    }
  }

  /** Times one search. */
  void time(int query) {
    long start = System.nanoTime();
    search.accept(query);
    record(System.nanoTime() - start);
  }

  private void record(long time) {
    if (count == nanos.length) {
      nanos = Arrays.copyOf(nanos, 2 * count);
    }
    nanos[count++] = time;
  }

  /** Five passes over these queries, each as long as told; the median of their speeds. */
  Speed run(int from, int to, double passSeconds) {
    double[] walls = new double[PASSES];
    double[] cpus = new double[PASSES];
    int next = from;
    for (int pass = 0; pass < PASSES; pass++) {
      long passNanos = (long) (passSeconds * 1e9);
      long calls = 0;
      double cpu = CLibrary.cpuSeconds();
      long start = System.nanoTime();
      long before = start;
      while (before - start < passNanos || calls == 0) {
        search.accept(next);
        next = next + 1 == to ? from : next + 1;
        calls++;
        long after = System.nanoTime();
        record(after - before);
        before = after;
      }
      walls[pass] = calls / ((before - start) / 1e9);
      cpus[pass] = calls / (CLibrary.cpuSeconds() - cpu);
    }
    Arrays.sort(walls);
    Arrays.sort(cpus);
    return new Speed(walls[PASSES / 2], cpus[PASSES / 2]);
  }

  /** The time in microseconds that this part of all timed searches took at most. */
  double micros(double part) {
    Arrays.sort(nanos, 0, count);
    return nanos[(int) Math.min(count - 1L, (long) (part * count))] / 1e3;
  }
}
