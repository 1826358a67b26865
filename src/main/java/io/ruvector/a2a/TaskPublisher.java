package io.ruvector.a2a;

import io.ruvector.internal.Checks;
import java.util.Objects;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A stream of updates for one subscriber, on a virtual thread that waits for its demand. */
final class TaskPublisher implements Flow.Publisher<TaskUpdate> {
  private final Supplier<TaskStream> opening;
  private final AtomicBoolean subscribed = new AtomicBoolean();

  TaskPublisher(Supplier<TaskStream> opening) {
    this.opening = opening;
  }

  @Override
  public void subscribe(Flow.Subscriber<? super TaskUpdate> subscriber) {
    Objects.requireNonNull(subscriber, "subscriber");
    if (!subscribed.compareAndSet(false, true)) {
      subscriber.onSubscribe(new Subscription(subscriber));
      subscriber.onError(new IllegalStateException("this publisher has had its one subscriber"));
      return;
    }
    var subscription = new Subscription(subscriber);
    Thread.ofVirtual().name("ruvector-a2a-stream").start(() -> subscription.run(opening));
  }

  /** What one subscriber is owed. */
  private static final class Subscription implements Flow.Subscription {
    private final Flow.Subscriber<? super TaskUpdate> subscriber;
    // Not a monitor: that would hold a virtual thread's carrier before JDK 24.
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private long demand;
    private boolean cancelled;
    private @Nullable IllegalArgumentException misuse;
    private @Nullable TaskStream stream;

    Subscription(Flow.Subscriber<? super TaskUpdate> subscriber) {
      this.subscriber = subscriber;
    }

    void run(Supplier<TaskStream> opening) {
      RuntimeException failure = null;
      try {
        subscriber.onSubscribe(this);
        if (isWanted()) {
          tell(opening);
        }
      } catch (RuntimeException e) {
        failure = e;
      }
      lock.lock();
      try {
        if (cancelled) {
          return;
        }
        failure = misuse != null ? misuse : failure;
      } finally {
        lock.unlock();
      }
      if (failure != null) {
        subscriber.onError(failure);
      } else {
        subscriber.onComplete();
      }
    }

    private void tell(Supplier<TaskStream> opening) {
      try (TaskStream opened = opening.get()) {
        lock.lock();
        try {
          stream = opened;
        } finally {
          lock.unlock();
        }
        if (!isWanted()) {
          return;
        }
        for (TaskUpdate update : opened) {
          if (!awaitDemand()) {
            return;
          }
          subscriber.onNext(update);
        }
      }
    }

    private boolean isWanted() {
      lock.lock();
      try {
        return !cancelled && misuse == null;
      } finally {
        lock.unlock();
      }
    }

    private boolean awaitDemand() {
      lock.lock();
      try {
        while (demand == 0 && isWanted()) {
          changed.awaitUninterruptibly();
        }
        demand--;
        return isWanted();
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void request(long n) {
      if (n <= 0) {
        end(() -> misuse = Checks.illegal("request", n, "1 or more"));
        return;
      }
      lock.lock();
      try {
        demand = n > Long.MAX_VALUE - demand ? Long.MAX_VALUE : demand + n;
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void cancel() {
      end(() -> cancelled = true);
    }

    /** Ends it for a reason, for the thread that waits for demand or for an update too. */
    private void end(Runnable reason) {
      TaskStream opened;
      lock.lock();
      try {
        reason.run();
        opened = stream;
        changed.signalAll();
      } finally {
        lock.unlock();
      }
      if (opened != null) {
        opened.close();
      }
    }
  }
}
