package io.ruvector.internal;

import io.ruvector.DeadlineExceededException;
import java.util.concurrent.CompletableFuture;

/** A call that waits for a thread of the pool; its time counts from its submission. */
public final class AsyncCall<R> implements Runnable {
  /** What is called, with the nanoseconds that are left of its time; 0: no limit. */
  @FunctionalInterface
  public interface Body<R> {
    R call(Cancellation cancellation, long nanosLeft);
  }

  private final Body<R> body;
  private final long timeoutNanos;
  private final long submitted = System.nanoTime();
  private final Cancellation cancellation = new Cancellation();
  private final CompletableFuture<R> future = new CompletableFuture<>();
  private volatile boolean begun;

  private AsyncCall(Body<R> body, long timeoutNanos) {
    this.body = body;
    this.timeoutNanos = timeoutNanos;
  }

  /** Runs a body on the pool. */
  public static <R> CompletableFuture<R> submit(Body<R> body, long timeoutNanos) {
    return start(body, timeoutNanos).future;
  }

  /** The same, for who may {@linkplain #help} later. */
  public static <R> AsyncCall<R> start(Body<R> body, long timeoutNanos) {
    var call = new AsyncCall<>(body, timeoutNanos);
    var _ = call.future.whenComplete((result, failure) -> call.stop());
    SearchPool.execute(call);
    return call;
  }

  public CompletableFuture<R> future() {
    return future;
  }

  /** Runs the body here if no thread of the pool has begun: who waits does the work. */
  public void help() {
    if (SearchPool.remove(this)) {
      run();
    }
  }

  /** However the future came to its end: by this call, a cancel, a timeout of the caller's. */
  private void stop() {
    cancellation.stop();
    if (!begun) {
      var _ = SearchPool.remove(this);
    }
  }

  @Override
  public void run() {
    begun = true;
    if (future.isDone()) {
      return;
    }
    try {
      future.complete(body.call(cancellation, nanosLeft()));
    } catch (Throwable t) {
      // Whatever it is belongs to the one who waits, not to the thread of the pool.
      future.completeExceptionally(t);
    }
  }

  private long nanosLeft() {
    if (timeoutNanos == 0) {
      return 0;
    }
    long left = timeoutNanos - (System.nanoTime() - submitted);
    if (left <= 0) {
      throw new DeadlineExceededException(
          "the search waited for all of its %d ms".formatted(timeoutNanos / 1_000_000));
    }
    return left;
  }
}
