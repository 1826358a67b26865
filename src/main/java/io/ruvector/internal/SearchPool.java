package io.ruvector.internal;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/** The platform threads of asynchronous searches, and of long calls made on virtual threads. */
public final class SearchPool {
  /** How many calls may wait; one more is refused. */
  public static final int QUEUE = 1_024;

  private static final int MAX_DEFAULT_THREADS = 8;
  private static final long IDLE_SECONDS = 10;

  private SearchPool() {}

  private static final class Holder {
    static final ThreadPoolExecutor POOL = create();

    private static ThreadPoolExecutor create() {
      int threads = Math.min(MAX_DEFAULT_THREADS, Runtime.getRuntime().availableProcessors());
      var number = new AtomicInteger();
      var pool =
          new ThreadPoolExecutor(
              threads,
              threads,
              IDLE_SECONDS,
              TimeUnit.SECONDS,
              new ArrayBlockingQueue<>(QUEUE),
              task -> {
                String name = "ruvector-search-" + number.incrementAndGet();
                var thread = new Thread(null, task, name, 0, false);
                thread.setDaemon(true);
                thread.setContextClassLoader(null);
                return thread;
              },
              (task, executor) -> {
                throw new RejectedExecutionException(
                    "%d searches are waiting, allowed: up to %d".formatted(QUEUE, QUEUE));
              });
      pool.allowCoreThreadTimeOut(true);
      return pool;
    }
  }

  /**
   * Runs a task soon.
   *
   * @throws RejectedExecutionException if {@value #QUEUE} tasks are waiting
   */
  public static void execute(Runnable task) {
    Holder.POOL.execute(task);
  }

  /** Takes a task back; false if it has begun. */
  public static boolean remove(Runnable task) {
    return Holder.POOL.remove(task);
  }

  /** Sets the number of threads. */
  public static synchronized void resize(int threads) {
    ThreadPoolExecutor pool = Holder.POOL;
    // The maximum must never lie under the core size.
    if (threads > pool.getMaximumPoolSize()) {
      pool.setMaximumPoolSize(threads);
      pool.setCorePoolSize(threads);
    } else {
      pool.setCorePoolSize(threads);
      pool.setMaximumPoolSize(threads);
    }
  }

  /**
   * Memory that this thread may access, as {@link #call} can use it: on a virtual thread, the
   * thread that makes the call is another one, to which confined memory is closed. Only this thread
   * can free that, and it waits meanwhile, so the bare address serves. All other memory goes as it
   * is, and the downcall keeps it open.
   */
  static MemorySegment lend(MemorySegment segment) {
    return Thread.currentThread().isVirtual() && Checks.isConfined(segment)
        ? MemorySegment.ofAddress(segment.address())
        : segment;
  }

  /**
   * Makes a call that may take longer than some microseconds: on a platform thread if this is a
   * virtual one, whose carrier a native call would hold for as long.
   */
  public static <T> T call(Supplier<T> call) {
    if (!Thread.currentThread().isVirtual()) {
      return call.get();
    }
    CompletableFuture<T> future;
    try {
      future = CompletableFuture.supplyAsync(call, Holder.POOL);
    } catch (RejectedExecutionException full) {
      return call.get();
    }
    try {
      return future.join();
    } catch (CompletionException e) {
      throw unwrapped(e);
    }
  }

  /** The failure behind one that only says that another thread met it. */
  public static RuntimeException unwrapped(Exception e) {
    return switch (e.getCause()) {
      case RuntimeException cause -> cause;
      case Error cause -> throw cause;
      case null, default -> new CompletionException(e);
    };
  }
}
