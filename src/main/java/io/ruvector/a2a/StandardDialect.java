package io.ruvector.a2a;

import io.ruvector.RuVectorException.Code;
import io.ruvector.a2a.Json.MalformedException;
import java.net.URI;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The standard, versions 1.0 and 0.3, by JSON-RPC. A call that gives a task streams its updates; a
 * resumed stream begins with how the task stands, and does not tell what came before.
 *
 * @param endpoint where calls go
 * @param codec the version
 */
record StandardDialect(URI endpoint, Codec codec) implements Dialect {
  private boolean isV1() {
    return codec == Codec.V1_0;
  }

  private String method(String v1, String v03) {
    return isV1() ? v1 : v03;
  }

  @Override
  public Map<String, String> headers() {
    return Map.of("A2A-Version", isV1() ? "1.0" : "0.3");
  }

  @Override
  public Rpc send(TaskSpec spec, boolean wait) {
    Map<String, @Nullable Object> params = params(spec);
    params.put(
        "configuration", isV1() ? Map.of("returnImmediately", !wait) : Map.of("blocking", wait));
    return new Rpc(method("SendMessage", "message/send"), params);
  }

  private Map<String, @Nullable Object> params(TaskSpec spec) {
    Map<String, @Nullable Object> message = new LinkedHashMap<>(codec.write(spec.message()));
    message.putIfAbsent("messageId", spec.id());
    Map<String, @Nullable Object> metadata = new LinkedHashMap<>(spec.message().metadata());
    metadata.putIfAbsent("skill", spec.skill());
    message.put("metadata", metadata);
    Map<String, @Nullable Object> params = new LinkedHashMap<>();
    params.put("message", message);
    params.put("metadata", spec.metadata());
    return params;
  }

  @Override
  public boolean isAlwaysWaiting() {
    return false;
  }

  @Override
  public Task sent(@Nullable Object result) throws MalformedException {
    Fields fields = Fields.of("the result", result);
    if (isV1()) {
      Task task = fields.child("task", codec::task);
      return task != null ? task : done(fields.required("message", codec::message));
    }
    return isMessage(fields) ? done(codec.message(fields)) : codec.task(fields);
  }

  private static boolean isMessage(Fields fields) throws MalformedException {
    return fields.string("kind", "task").equals("message");
  }

  /** An agent that answers at once makes no task of it. */
  private static Task done(Message message) {
    Object id = message.more().get("taskId");
    TaskStatus status = new TaskStatus(TaskState.COMPLETED, null, message, Map.of());
    return new Task(
        id instanceof String text ? text : "",
        null,
        status,
        List.of(message),
        List.of(),
        Map.of(),
        Map.of());
  }

  @Override
  public Rpc get(String taskId) {
    return new Rpc(method("GetTask", "tasks/get"), Map.of("id", taskId));
  }

  @Override
  public Task got(@Nullable Object result) throws MalformedException {
    return codec.task(Fields.of("the task", result));
  }

  @Override
  public Rpc cancel(String taskId) {
    return new Rpc(method("CancelTask", "tasks/cancel"), Map.of("id", taskId));
  }

  @Override
  public Source subscribe(TaskSpec spec) {
    return new Source(
        endpoint, new Rpc(method("SendStreamingMessage", "message/stream"), params(spec)));
  }

  @Override
  public Source resubscribe(String taskId, @Nullable Instant since) {
    return new Source(
        endpoint, new Rpc(method("SubscribeToTask", "tasks/resubscribe"), Map.of("id", taskId)));
  }

  @Override
  public void tell(SseReader.Event event, @Nullable String taskId, Follower follower)
      throws MalformedException {
    Object result = result(Fields.of("the event", Json.parse(event.data())));
    Fields fields = Fields.of("the event's result", result);
    if (!isV1()) {
      switch (fields.string("kind")) {
        case "task" -> follower.snapshot(codec.task(fields));
        case "message" -> follower.snapshot(done(codec.message(fields)));
        case "status-update" -> follower.update(codec.statusUpdate(fields));
        case "artifact-update" -> follower.update(codec.artifactUpdate(fields));
        default -> {}
      }
    } else if (fields.has("task")) {
      follower.snapshot(fields.required("task", codec::task));
    } else if (fields.has("message")) {
      follower.snapshot(done(fields.required("message", codec::message)));
    } else if (fields.has("statusUpdate")) {
      follower.update(fields.required("statusUpdate", codec::statusUpdate));
    } else if (fields.has("artifactUpdate")) {
      follower.update(fields.required("artifactUpdate", codec::artifactUpdate));
    }
  }

  @Override
  public A2aException error(int code, String message, @Nullable Object data) {
    return code == -32001
        ? new UnknownTaskException(message, code, data)
        : new A2aException(Code.AGENT, message, code, data);
  }
}
