package io.ruvector.lake;

import io.ruvector.DeadlineExceededException;
import io.ruvector.internal.Cancellation;
import io.ruvector.internal.NativeLake.Observed;
import io.ruvector.internal.SearchPool;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * The pull of one collection, one at a time, for all that wait for it. Each waits under its own
 * deadline; when nobody waits any more, the pull is stopped.
 */
final class Flight {
  /** A pull that runs until it is done or {@code running} is stopped. */
  @FunctionalInterface
  interface Pull {
    Observed.At run(Running running);
  }

  private @Nullable Running current;

  /** One run of the pull. */
  static final class Running {
    private final CompletableFuture<Observed.At> future = new CompletableFuture<>();
    private final Cancellation cancellation = new Cancellation();
    private int waiters;
    private @Nullable Thread thread;
    private volatile boolean stopped;

    /** Stops native calls of the pull. */
    Cancellation cancellation() {
      return cancellation;
    }

    /**
     * Lets a pull that somebody waits for go on.
     *
     * @throws CancellationException if nobody does
     */
    void check() {
      if (stopped) {
        throw new CancellationException("nobody waits for this pull any more");
      }
    }

    private void run(Pull pull) {
      synchronized (this) {
        thread = Thread.currentThread();
      }
      try {
        check();
        future.complete(pull.run(this));
      } catch (Throwable t) {
        // Whatever it is belongs to those who wait.
        future.completeExceptionally(t);
      } finally {
        synchronized (this) {
          thread = null;
          if (stopped) {
            // The interrupt was for the pull, not for the executor's next task.
            var _ = Thread.interrupted();
          }
        }
      }
    }

    private void stop() {
      stopped = true;
      cancellation.stop();
      synchronized (this) {
        if (thread != null) {
          thread.interrupt();
        }
      }
    }
  }

  /** Starts the pull unless it runs, and waits for what it brings; 0 nanoseconds: for ever. */
  Observed.At await(Executor executor, Pull pull, long timeoutNanos) {
    Running running = join(executor, pull);
    try {
      return timeoutNanos == 0
          ? running.future.get()
          : running.future.get(timeoutNanos, TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      throw Cancellation.interrupted("waiting for a pull", e);
    } catch (TimeoutException e) {
      throw new DeadlineExceededException(
          "the pull took longer than %d ms".formatted(timeoutNanos / 1_000_000));
    } catch (ExecutionException e) {
      throw SearchPool.unwrapped(e);
    } finally {
      leave(running);
    }
  }

  /** Starts the pull unless it runs, and sees to it that it comes to its end. */
  CompletableFuture<Observed.At> begin(Executor executor, Pull pull) {
    Running running = join(executor, pull);
    var _ = running.future.whenComplete((reached, failure) -> leave(running));
    return running.future;
  }

  private Running join(Executor executor, Pull pull) {
    Running started;
    synchronized (this) {
      if (current != null && !current.future.isDone()) {
        current.waiters++;
        return current;
      }
      started = new Running();
      started.waiters = 1;
      current = started;
    }
    try {
      executor.execute(() -> started.run(pull));
    } catch (RuntimeException refused) {
      started.future.completeExceptionally(refused);
      throw refused;
    }
    return started;
  }

  private void leave(Running running) {
    synchronized (this) {
      running.waiters--;
      if (running.waiters > 0 || running.future.isDone()) {
        return;
      }
      if (current == running) {
        current = null;
      }
    }
    running.stop();
  }

  /** Stops the pull, if one runs. */
  void stop() {
    Running running;
    synchronized (this) {
      running = current;
      current = null;
    }
    if (running != null) {
      running.stop();
    }
  }
}
