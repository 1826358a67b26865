package io.ruvector.a2a;

import io.ruvector.a2a.Dialect.Source;
import io.ruvector.a2a.Json.MalformedException;
import io.ruvector.internal.Checks;
import java.io.IOException;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The updates of a task, as they come, up to the final one. Nothing is read ahead but what the
 * connection holds: an agent whose updates are not taken is told to wait by TCP, or drops some, for
 * which a {@link TaskUpdate.Gap} stands.
 *
 * <p>Where the connection breaks, the stream connects again and goes on after the last status that
 * it has seen, with a {@link TaskUpdate.Gap} for what the agent may not have told again.
 *
 * <p>One thread iterates, once; any thread may close, which ends the iteration. It does not cancel
 * the task.
 */
public final class TaskStream implements Iterable<TaskUpdate>, AutoCloseable {

  private final A2aClient client;
  private final Dialect dialect;
  private final @Nullable Duration limit;
  private final long deadline;
  private final Runnable onEnd;
  private final AtomicBoolean iterated = new AtomicBoolean();
  private final AtomicBoolean ended = new AtomicBoolean();
  private final Deque<TaskUpdate> updates = new ArrayDeque<>();
  private final @Nullable CompletableFuture<Task> sending;
  private volatile SseReader source;
  private volatile @Nullable String taskId;
  private @Nullable Instant lastSeen;
  private TaskState lastState = TaskState.UNKNOWN;
  private int reconnects;
  private boolean replaying;
  private boolean done;

  private TaskStream(
      A2aClient client,
      @Nullable String taskId,
      SseReader source,
      @Nullable CompletableFuture<Task> sending,
      @Nullable Duration limit,
      Runnable onEnd) {
    this.client = client;
    this.dialect = client.dialect();
    this.taskId = taskId;
    this.source = source;
    this.sending = sending;
    this.limit = limit;
    this.deadline = limit == null ? 0 : System.nanoTime() + Checks.nanos(limit);
    this.onEnd = onEnd;
    if (sending != null) {
      var _ =
          sending.exceptionally(
              failure -> {
                this.source.body().fail(failure);
                return null;
              });
    }
  }

  static TaskStream of(A2aClient client, TaskSpec spec, @Nullable Duration limit, Runnable onEnd) {
    Dialect dialect = client.dialect();
    SseReader source = client.open(dialect.subscribe(spec));
    if (!dialect.isAlwaysWaiting()) {
      return new TaskStream(client, null, source, null, limit, onEnd);
    }
    // The one call that is not limited: how long a task takes is not for this to say.
    CompletableFuture<Task> sending =
        A2aClient.async(
            () ->
                client.call(
                    dialect.send(spec, true),
                    A2aClient.UNLIMITED,
                    spec.idempotent(),
                    dialect::sent));
    return new TaskStream(client, spec.id(), source, sending, limit, onEnd);
  }

  static TaskStream resubscribed(A2aClient client, String taskId) {
    SseReader source = client.open(client.dialect().resubscribe(taskId, null));
    return new TaskStream(client, taskId, source, null, null, () -> {});
  }

  /** The task's id; empty until the agent has chosen one. */
  public Optional<String> taskId() {
    return Optional.ofNullable(taskId);
  }

  /**
   * The updates. Its methods throw {@link A2aException}s where the agent refuses the task or the
   * connection is lost for good, and {@link java.util.concurrent.CancellationException} where the
   * thread is interrupted.
   *
   * @throws IllegalStateException if called twice
   */
  @Override
  public Iterator<TaskUpdate> iterator() {
    if (!iterated.compareAndSet(false, true)) {
      throw new IllegalStateException("a TaskStream is iterated once");
    }
    return new Iterator<>() {
      private @Nullable TaskUpdate next;

      @Override
      public boolean hasNext() {
        if (next == null) {
          next = take();
        }
        return next != null;
      }

      @Override
      public TaskUpdate next() {
        if (!hasNext() || next == null) {
          throw new NoSuchElementException("the stream has ended");
        }
        TaskUpdate taken = next;
        next = null;
        return taken;
      }
    };
  }

  /** Ends the stream, for a thread that waits for an update too; the task goes on. */
  @Override
  public void close() {
    if (ended.compareAndSet(false, true)) {
      onEnd.run();
    }
    source.body().close();
  }

  /** The next update; null at the end. */
  private @Nullable TaskUpdate take() {
    try {
      while (updates.isEmpty()) {
        if (done || ended.get()) {
          close();
          return null;
        }
        read();
      }
      return updates.poll();
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  private void read() {
    SseReader.Event event;
    try {
      event = source.next(this::patience);
      if (event != null) {
        dialect.updates(event, taskId).forEach(this::accept);
        return;
      }
    } catch (HttpTimeoutException e) {
      throw silent(e);
    } catch (IOException e) {
      if (e.getCause() instanceof RuntimeException failure) {
        throw failure;
      }
      reconnect(e);
      return;
    } catch (MalformedException e) {
      throw new TransportException(
          "%s, in a stream: %s".formatted(dialect.endpoint(), e.getMessage()));
    } catch (InterruptedException e) {
      throw Http.interrupted(e);
    }
    if (lastState.isInterrupted()) {
      // The agent waits, and ends the stream until it is told more.
      done = true;
    } else {
      reconnect(null);
    }
  }

  private long patience() {
    long idle = Checks.nanos(client.options().idleTimeout());
    return limit == null ? idle : Math.min(idle, Math.max(0, deadline - System.nanoTime()));
  }

  private RuntimeException silent(HttpTimeoutException e) {
    String task = taskId;
    if (limit != null && deadline - System.nanoTime() <= 0) {
      return task == null
          ? new PolicyViolationException(
              "a task has taken longer than the %s allowed".formatted(limit))
          : client.overdue(task, limit);
    }
    return TransportException.timeout(
        "%s was silent for %s".formatted(dialect.endpoint(), client.options().idleTimeout()), e);
  }

  private void accept(TaskUpdate update) {
    if (limit != null && deadline - System.nanoTime() <= 0 && !isFinal(update)) {
      throw client.overdue(update.taskId(), limit);
    }
    if (!update.taskId().isEmpty()) {
      taskId = update.taskId();
    }
    if (update instanceof TaskUpdate.Status status) {
      Instant time = status.status().timestamp();
      // What is told again after a reconnect has been seen.
      if (replaying && lastSeen != null && time != null && !time.isAfter(lastSeen)) {
        return;
      }
      reconnects = 0;
      lastSeen = time == null ? lastSeen : time;
      lastState = status.state();
    }
    updates.add(update);
    if (isFinal(update)) {
      // rvagent's server leaves the connection open.
      done = true;
      close();
    }
  }

  private static boolean isFinal(TaskUpdate update) {
    return update instanceof TaskUpdate.Status status && status.isFinal();
  }

  private void reconnect(@Nullable IOException failure) {
    long pause = A2aClient.FIRST_PAUSE_MILLIS;
    while (!ended.get()) {
      if (sending != null && sending.isCompletedExceptionally()) {
        throw (RuntimeException) sending.exceptionNow();
      }
      String task = taskId;
      if (task == null || ++reconnects > client.options().maxReconnects()) {
        throw client
            .http()
            .failure(
                dialect.endpoint(),
                failure != null ? failure : new IOException("the stream ended before the task"));
      }
      pause = A2aClient.pause(pause);
      try {
        Source again = dialect.resubscribe(task, lastSeen);
        SseReader reopened = client.open(again);
        source = reopened;
        if (ended.get()) {
          reopened.body().close();
          return;
        }
        replaying = true;
        updates.add(new TaskUpdate.Gap(task, TaskUpdate.Gap.UNKNOWN));
        return;
      } catch (TransportException e) {
        if (!e.isConnection()) {
          throw e;
        }
      }
    }
  }
}
