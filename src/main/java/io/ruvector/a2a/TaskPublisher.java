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
      try {
        subscriber.onSubscribe(this);
        try (TaskStream opened = opening.get()) {
          if (!began(opened)) {
            return;
          }
          for (TaskUpdate update : opened) {
            if (!awaitDemand()) {
              break;
            }
            subscriber.onNext(update);
          }
        }
      } catch (RuntimeException e) {
        if (!isCancelled()) {
          subscriber.onError(e);
        }
        return;
      }
      if (misuse != null) {
        subscriber.onError(misuse);
      } else if (!isCancelled()) {
        subscriber.onComplete();
      }
    }

    private boolean began(TaskStream opened) {
      lock.lock();
      try {
        stream = opened;
        return !cancelled;
      } finally {
        lock.unlock();
      }
    }

    private boolean isCancelled() {
      lock.lock();
      try {
        return cancelled;
      } finally {
        lock.unlock();
      }
    }

    private boolean awaitDemand() {
      lock.lock();
      try {
        while (demand == 0 && !cancelled && misuse == null) {
          changed.awaitUninterruptibly();
        }
        demand--;
        return !cancelled && misuse == null;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void request(long n) {
      lock.lock();
      try {
        if (n <= 0) {
          misuse = Checks.illegal("request", n, "1 or more");
        }
        demand = n > Long.MAX_VALUE - demand ? Long.MAX_VALUE : demand + Math.max(0, n);
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void cancel() {
      TaskStream opened;
      lock.lock();
      try {
        cancelled = true;
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
