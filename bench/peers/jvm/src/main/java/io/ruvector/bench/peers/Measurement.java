package io.ruvector.bench.peers;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.Locale;
import java.util.stream.LongStream;

/** Times single searches, one after another on the calling thread. */
final class Measurement {
  private static final int PASSES = 5;

  /** Tuning makes do with shorter passes than judging, and with less warming up. */
  private static final double PASS_SECONDS =
      Double.parseDouble(System.getenv().getOrDefault("BENCH_PASS_SECONDS", "1"));

  private static final double WARM_UP_SECONDS = 5 * PASS_SECONDS;

  private final Engine engine;
  private final LongStream.Builder nanos = LongStream.builder();

  private Measurement(Engine engine) {
    this.engine = engine;
  }

  /** The fields of the line about a setting, after its name. */
  static String of(Engine engine, Recall recall) throws IOException {
    return new Measurement(engine).measure(recall);
  }

  private String measure(Recall recall) throws IOException {
    int count = recall.queries();
    int warm = Math.max(1, count / 10);
    warmUp(warm);
    double found = 0;
    for (int i = 0; i < count; i++) {
      found += recall.of(i, timed(i));
    }
    double[] walls = new double[PASSES];
    double[] cpus = new double[PASSES];
    int first = warm < count ? warm : 0;
    int next = first;
    for (int pass = 0; pass < PASSES; pass++) {
      int calls = 0;
      double cpu = Process.cpuSeconds();
      long start = System.nanoTime();
      while (calls == 0 || System.nanoTime() - start < PASS_SECONDS * 1e9) {
        timed(next);
        next = next + 1 == count ? first : next + 1;
        calls++;
      }
      walls[pass] = calls / ((System.nanoTime() - start) / 1e9);
      cpus[pass] = calls / (Process.cpuSeconds() - cpu);
    }
    Arrays.sort(walls);
    Arrays.sort(cpus);
    long[] times = nanos.build().sorted().toArray();
    return String.format(
        Locale.ROOT,
        "\"recall\":%.5f,\"qps\":%.1f,\"qps_cpu\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f",
        found / count,
        walls[PASSES / 2],
        cpus[PASSES / 2],
        times[times.length / 2] / 1e3,
        times[(int) (times.length * .99)] / 1e3);
  }

  private void warmUp(int queries) throws IOException {
    Deque<Double> last = new ArrayDeque<>();
    long end = System.nanoTime() + (long) (WARM_UP_SECONDS * 1e9);
    while (System.nanoTime() < end) {
      double start = Process.cpuSeconds();
      for (int i = 0; i < queries; i++) {
        engine.search(i);
      }
      last.add(Process.cpuSeconds() - start);
      if (last.size() > 3) {
        last.remove();
      }
      if (last.size() == 3 && Collections.max(last) <= 1.02 * Collections.min(last)) {
        return;
      }
    }
  }

  private int[] timed(int query) throws IOException {
    long start = System.nanoTime();
    int[] rows = engine.search(query);
    nanos.add(System.nanoTime() - start);
    return rows;
  }
}
