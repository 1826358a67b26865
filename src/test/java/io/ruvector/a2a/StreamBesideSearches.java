package io.ruvector.a2a;

import io.ruvector.index.Ids;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import io.ruvector.lake.LocalBackend;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.net.URI;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadFactory;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A program that follows the task of an agent, given by address and id, beside two workloads of
 * searches in a lake, all on virtual threads, and counts a heart's beats meanwhile, one each
 * millisecond; without an agent, beside native calls of 5 ms on a virtual thread. Prints the share
 * of beats made by a virtual thread and by one of the system, the updates received and lost, and
 * the searches.
 */
final class StreamBesideSearches {
  private static final Target NUMBERS = Target.of("memory", "numbers");
  private static final int DIM = 64;

  private static volatile boolean done;

  private StreamBesideSearches() {}

  private static <T> FutureTask<T> start(ThreadFactory factory, Callable<T> call) {
    var task = new FutureTask<>(call);
    factory.newThread(task).start();
    return task;
  }

  /** The share of the milliseconds in which this thread came to run. */
  private static double beats(BooleanSupplier go) throws InterruptedException {
    long start = System.nanoTime();
    long beat = 0;
    long made = 0;
    while (go.getAsBoolean()) {
      beat++;
      long wait = start + beat * 1_000_000 - System.nanoTime();
      if (wait > 0) {
        Thread.sleep(wait / 1_000_000, (int) (wait % 1_000_000));
      }
      made++;
      // Beats that were slept over are lost.
      beat = Math.max(beat, (System.nanoTime() - start) / 1_000_000);
    }
    return beat == 0 ? 0 : (double) made / beat;
  }

  private static float[][] rows(int n) {
    var random = new Random(1);
    float[][] rows = new float[n][DIM];
    for (float[] row : rows) {
      for (int i = 0; i < DIM; i++) {
        row[i] = random.nextFloat();
      }
    }
    return rows;
  }

  private static long search(RuLake lake, float[] query) {
    long n = 0;
    while (!done) {
      lake.searchAsync(NUMBERS, SearchRequest.of(query).k(10)).join();
      n++;
    }
    return n;
  }

  private static @Nullable Void sleepInNativeCode() throws Exception {
    Linker linker = Linker.nativeLinker();
    MethodHandle usleep =
        linker.downcallHandle(
            linker.defaultLookup().find("usleep").orElseThrow(),
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
    while (!done) {
      try {
        int _ = (int) usleep.invokeExact(5_000);
      } catch (Throwable t) {
        throw new AssertionError(t);
      }
      Thread.sleep(1);
    }
    return null;
  }

  public static void main(String[] args) throws Exception {
    ThreadFactory virtual = Thread.ofVirtual().factory();
    double _ = beatsWhile(virtual, 200);
    if (args.length == 0) {
      var _ = start(virtual, StreamBesideSearches::sleepInNativeCode);
      FutureTask<Double> control = start(Thread.ofPlatform().factory(), () -> beats(() -> !done));
      double share = beatsWhile(virtual, 1_000);
      done = true;
      System.out.printf("%.3f %.3f 0 0 0%n", share, control.get());
      return;
    }
    try (var agent = A2aClient.connect(URI.create(args[0]), Trust.pinned(args[1]));
        var memory = LocalBackend.create("memory");
        var lake = RuLake.builder().build()) {
      memory.replace("numbers", Vectors.copyOf(rows(100_000)), Ids.from(0));
      lake.registerBackend(memory);
      float[] query = rows(1)[0];
      // What is compiled and cached before is not what is measured.
      for (int i = 0; i < 200; i++) {
        lake.searchAsync(NUMBERS, SearchRequest.of(query).k(10)).join();
      }
      try (TaskStream updates = agent.stream(TaskSpec.of("stream", "go").id("warm"))) {
        long[] _ = start(virtual, () -> follow(updates)).get();
      }
      try (TaskStream updates = agent.stream(TaskSpec.of("stream", "go").id("t"))) {
        FutureTask<Double> heart = start(virtual, () -> beats(() -> !done));
        FutureTask<Double> control = start(Thread.ofPlatform().factory(), () -> beats(() -> !done));
        FutureTask<Long> one = start(virtual, () -> search(lake, query));
        FutureTask<Long> other = start(virtual, () -> search(lake, query));
        long[] followed = start(virtual, () -> follow(updates)).get();
        done = true;
        System.out.printf(
            "%.3f %.3f %d %d %d%n",
            heart.get(), control.get(), followed[0], followed[1], one.get() + other.get());
      }
    }
  }

  private static double beatsWhile(ThreadFactory factory, long millis) throws Exception {
    long end = System.nanoTime() + millis * 1_000_000;
    return start(factory, () -> beats(() -> System.nanoTime() < end)).get();
  }

  private static long[] follow(TaskStream updates) {
    long received = 0;
    long lost = 0;
    for (TaskUpdate update : updates) {
      if (update instanceof TaskUpdate.Gap gap) {
        lost += gap.lost();
      } else {
        received++;
      }
    }
    return new long[] {received, lost};
  }
}
