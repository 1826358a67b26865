package io.ruvector.a2a;

import io.ruvector.a2a.Json.MalformedException;
import io.ruvector.internal.BodyQueue;
import io.ruvector.internal.Cancellation;
import io.ruvector.internal.Checks;
import java.io.IOException;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The updates of a task, as they come, up to the final one. Nothing is read ahead but what the
 * connection holds: an agent whose updates are not taken is told to wait by TCP, or drops some, for
 * which a {@link TaskUpdate.Gap} stands.
 *
 * <p>Where the connection breaks, the stream connects again and goes on after the last status that
 * it has seen, with a {@link TaskUpdate.Gap} for what the agent may not have told again. What the
 * agent tells of artifacts again is left out, as far as it only repeats what was told.
 *
 * <p>One thread iterates, once; any thread may close, which ends the iteration. It does not cancel
 * the task.
 */
public final class TaskStream implements Iterable<TaskUpdate>, AutoCloseable {
  /** How long the last update may come after the answer to the call that gave the task. */
  private static final long ANSWERED_NANOS = 5_000_000_000L;

  private final A2aClient client;
  private final Dialect dialect;
  private final @Nullable Duration limit;
  private final long deadline;
  private final Runnable onEnd;
  private final AtomicBoolean iterated = new AtomicBoolean();
  private final CompletableFuture<Boolean> ended = new CompletableFuture<>();
  private final Updates updates = new Updates();
  private final @Nullable CompletableFuture<Task> sending;
  private volatile SseReader source;
  private volatile @Nullable String taskId;
  private volatile @Nullable Answer answer;
  private TaskUpdate.@Nullable Status last;
  private int reconnects;

  /** Whether the agent has told some over another connection. */
  private boolean resumed;

  /** Whether it may still be telling that again. */
  private boolean replaying;

  /** When the wait for an event began. */
  private long waiting;

  private boolean done;

  /**
   * What the call that gave the task was answered.
   *
   * @param task the task, which is done
   * @param nanos when
   */
  private record Answer(Task task, long nanos) {}

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
          sending.whenComplete(
              (task, failure) -> {
                if (failure != null) {
                  this.source.body().fail(failure);
                } else if (task.state().isFinal()) {
                  answer = new Answer(task, System.nanoTime());
                }
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
    // Replaced by the first connection.
    var none = new SseReader(new BodyQueue(), 1);
    var stream = new TaskStream(client, taskId, none, null, null, () -> {});
    stream.resumed = true;
    stream.replaying = true;
    stream.open(taskId).ifPresent(stream.updates::snapshot);
    return stream;
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
    if (ended.complete(true)) {
      onEnd.run();
    }
    source.body().close();
  }

  /** The next update; null at the end. */
  private @Nullable TaskUpdate take() {
    try {
      while (updates.arrived.isEmpty()) {
        if (done || ended.isDone()) {
          close();
          return null;
        }
        read();
      }
      return updates.arrived.poll();
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  private void read() {
    waiting = System.nanoTime();
    try {
      SseReader.Event event = source.next(this::patience);
      if (event != null) {
        tell(event);
      } else if (last != null && last.state().isInterrupted()) {
        // The agent waits, and ends the stream until it is told more.
        done = true;
      } else {
        reconnect(new IOException("the stream ended before the task"));
      }
    } catch (HttpTimeoutException e) {
      silent(e);
    } catch (IOException e) {
      reconnect(e);
    } catch (MalformedException e) {
      throw new TransportException(
          "%s, in a stream: %s".formatted(dialect.endpoint(), e.getMessage()));
    } catch (InterruptedException e) {
      throw Cancellation.interrupted(dialect.endpoint(), e);
    }
  }

  private void tell(SseReader.Event event) throws MalformedException {
    try {
      dialect.tell(event, taskId, updates);
    } catch (A2aException e) {
      String task = taskId;
      if (!replaying || task == null) {
        throw e;
      }
      updates.snapshot(finished(task, e));
    }
  }

  private long patience() {
    long now = System.nanoTime();
    long patience = Checks.nanos(client.options().idleTimeout());
    Answer told = answer;
    if (told != null) {
      long passed = Math.min(now - told.nanos(), now - waiting);
      patience = Math.min(patience, Math.max(0, ANSWERED_NANOS - passed));
    }
    return limit == null ? patience : Math.min(patience, Math.max(0, deadline - now));
  }

  private void silent(HttpTimeoutException e) {
    Answer told = answer;
    if (told != null) {
      updates.gap(told.task().id());
      updates.stands(told.task());
      return;
    }
    String task = taskId;
    if (limit != null && deadline - System.nanoTime() <= 0) {
      throw task == null
          ? new PolicyViolationException(
              "a task has taken longer than the %s allowed".formatted(limit))
          : client.overdue(task, limit);
    }
    throw TransportException.timeout(
        "%s was silent for %s".formatted(dialect.endpoint(), client.options().idleTimeout()), e);
  }

  /** What was told, and is still to be taken. */
  private final class Updates implements Dialect.Follower {
    private final Deque<TaskUpdate> arrived = new ArrayDeque<>();
    private final ToldArtifacts artifacts = new ToldArtifacts();
    private boolean inGap;

    @Override
    public void update(TaskUpdate update) {
      boolean isFinal = update instanceof TaskUpdate.Status status && status.isFinal();
      if (limit != null && deadline - System.nanoTime() <= 0 && !isFinal) {
        throw client.overdue(update.taskId(), limit);
      }
      if (!update.taskId().isEmpty()) {
        taskId = update.taskId();
      }
      switch (update) {
        case TaskUpdate.Status status -> {
          if (resumed && !isFinal && isTold(status)) {
            return;
          }
          replaying = false;
          last = status;
        }
        case TaskUpdate.ArtifactUpdate piece -> artifacts.add(piece);
        case TaskUpdate.Gap _ -> {}
      }
      reconnects = 0;
      inGap = false;
      arrived.add(update);
      if (isFinal) {
        // rvagent's server leaves the connection open.
        done = true;
        close();
      }
    }

    @Override
    public void snapshot(Task task) {
      for (Artifact artifact : task.artifacts()) {
        artifacts.rest(task, artifact).ifPresent(this::update);
      }
      stands(task);
    }

    /** The status of a task, and nothing of what it made. */
    void stands(Task task) {
      Map<String, @Nullable Object> more = new LinkedHashMap<>(task.more());
      if (task.contextId() != null) {
        more.put("contextId", task.contextId());
      }
      boolean isFinal = task.state().isFinal();
      update(new TaskUpdate.Status(task.id(), task.status(), isFinal, task.metadata(), more));
    }

    private boolean isTold(TaskUpdate.Status status) {
      TaskUpdate.Status before = last;
      if (before == null) {
        return false;
      }
      // rvagent's server may tell the one again that it replayed last.
      if (!replaying) {
        return status.equals(before);
      }
      Instant time = status.status().timestamp();
      Instant until = before.status().timestamp();
      return status.status().equals(before.status())
          || (time != null && until != null && time.isBefore(until));
    }

    void gap(String task) {
      if (!inGap) {
        arrived.add(new TaskUpdate.Gap(task, TaskUpdate.Gap.UNKNOWN));
        inGap = true;
      }
    }
  }

  /** Connects to the rest of a task's updates, or gets the task, where it is done. */
  private Optional<Task> open(String task) {
    Instant since = last == null ? null : last.status().timestamp();
    SseReader opened;
    try {
      opened = client.open(dialect.resubscribe(task, since));
    } catch (A2aException e) {
      return Optional.of(finished(task, e));
    }
    source = opened;
    // Whoever has ended it meanwhile may have ended the source before.
    if (ended.isDone()) {
      opened.body().close();
    } else if (sending != null && sending.isCompletedExceptionally()) {
      opened.body().fail(sending.exceptionNow());
    }
    return Optional.empty();
  }

  /** A task that the agent refuses to follow because it is done. */
  private Task finished(String task, A2aException refusal) {
    if (refusal.rpcCode().isEmpty()) {
      throw refusal;
    }
    Task now = client.get(task);
    if (!now.state().isFinal()) {
      throw refusal;
    }
    return now;
  }

  private void reconnect(IOException failure) {
    for (long pause = A2aClient.FIRST_PAUSE_MILLIS; ; pause = A2aClient.longer(pause)) {
      if (sending != null && sending.isCompletedExceptionally()) {
        throw unchecked(sending.exceptionNow());
      }
      String task = taskId;
      if (task == null || ++reconnects > client.options().maxReconnects()) {
        throw client.http().failure(dialect.endpoint(), failure);
      }
      Optional<Task> finished;
      try {
        if (isEndedWithin(pause)) {
          return;
        }
        finished = reopened(task);
      } catch (TransportException e) {
        if (!e.isConnection()) {
          throw e;
        }
        continue;
      } catch (InterruptedException e) {
        throw Cancellation.interrupted(dialect.endpoint(), e);
      }
      if (!ended.isDone()) {
        resumed = true;
        replaying = true;
        updates.gap(task);
        finished.ifPresent(updates::snapshot);
      }
      return;
    }
  }

  private boolean isEndedWithin(long millis) throws InterruptedException {
    try {
      return ended.get(millis, TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      return false;
    } catch (ExecutionException e) {
      throw new AssertionError("it has no way to fail", e);
    }
  }

  /** Opens on another thread, for which nobody has to wait who ends the stream. */
  private Optional<Task> reopened(String task) throws InterruptedException {
    CompletableFuture<Optional<Task>> opening = A2aClient.async(() -> open(task));
    try {
      var _ = CompletableFuture.anyOf(opening, ended).get();
      return opening.getNow(Optional.empty());
    } catch (ExecutionException e) {
      throw unchecked(e.getCause());
    } finally {
      opening.cancel(true);
    }
  }

  private static RuntimeException unchecked(@Nullable Throwable failure) {
    return switch (failure) {
      case RuntimeException e -> e;
      case Error e -> throw e;
      case null, default -> new CompletionException(failure);
    };
  }
}
