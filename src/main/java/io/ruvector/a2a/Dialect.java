package io.ruvector.a2a;

import io.ruvector.a2a.Json.MalformedException;
import java.net.URI;
import java.time.Instant;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How one kind of agent is spoken to. */
sealed interface Dialect permits RvagentDialect, StandardDialect {
  /**
   * A call by JSON-RPC 2.0.
   *
   * @param method what is called
   * @param params with what
   */
  record Rpc(String method, Map<String, @Nullable Object> params) {}

  /**
   * A way to a task's updates: what a call streams, or what is streamed at a place.
   *
   * @param uri the place
   * @param call the call, or null
   */
  record Source(URI uri, @Nullable Rpc call) {}

  /** Where calls go. */
  URI endpoint();

  /** Headers of all requests. */
  Map<String, String> headers();

  /**
   * Gives a task.
   *
   * @param wait whether to be answered only when it is done, where there is a choice
   */
  Rpc send(TaskSpec spec, boolean wait);

  /** Whether {@link #send} waits whatever is asked for, under the id that the caller chose. */
  boolean isAlwaysWaiting();

  /** What {@link #send} was answered. */
  Task sent(@Nullable Object result) throws MalformedException;

  /** Asks how a task stands. */
  Rpc get(String taskId);

  /** What {@link #get} was answered. */
  Task got(@Nullable Object result) throws MalformedException;

  /** Stops a task. */
  Rpc cancel(String taskId);

  /** Follows a task that is to be given: before it is, or by giving it. */
  Source subscribe(TaskSpec spec);

  /**
   * Follows a task that was given before.
   *
   * @param since the time of the last status that is known, or null
   */
  Source resubscribe(String taskId, @Nullable Instant since);

  /** Who follows a task. */
  interface Follower {
    /** Something happened to it. */
    void update(TaskUpdate update);

    /** How it stands, whatever of that was told before. */
    void snapshot(Task task);
  }

  /**
   * Tells what is in an event of a stream.
   *
   * @param taskId the task, or null where the agent has not named it yet
   */
  void tell(SseReader.Event event, @Nullable String taskId, Follower follower)
      throws MalformedException;

  /** An error by its code in this dialect's table. */
  A2aException error(int code, String message, @Nullable Object data);

  /** The result of a call, or the error that it was answered with. */
  default @Nullable Object result(Fields answer) throws MalformedException {
    Object error = answer.any("error");
    if (error == null) {
      return answer.any("result");
    }
    Fields fields = Fields.of("error", error);
    throw error(
        (int) fields.number("code", 0), fields.string("message", "no message"), fields.any("data"));
  }
}
