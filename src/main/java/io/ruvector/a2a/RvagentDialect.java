package io.ruvector.a2a;

import io.ruvector.RuVectorException.Code;
import io.ruvector.a2a.Json.MalformedException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The dialect of the crate rvagent-a2a. Its server answers {@code tasks/send} when the task is done
 * and knows nothing of it before; updates are streamed elsewhere, without ids, to whoever came
 * before they were made, and stay open after the last one. A resumed stream has the states since a
 * time, but no artifacts.
 *
 * @param base where the agent is
 */
record RvagentDialect(URI base) implements Dialect {
  private static final Codec CODEC = Codec.RVAGENT;

  /** Who sends, where the caller is no agent and begins the chain. */
  private static final String NOBODY = "0".repeat(64);

  @Override
  public URI endpoint() {
    return base;
  }

  @Override
  public Map<String, String> headers() {
    return Map.of();
  }

  @Override
  public Rpc send(TaskSpec spec, boolean wait) {
    TaskContext context = spec.context() == null ? TaskContext.root(NOBODY) : spec.context();
    Map<String, @Nullable Object> params = new LinkedHashMap<>();
    params.put("id", spec.id());
    params.put("skill", spec.skill());
    params.put("message", CODEC.write(spec.message()));
    if (!spec.policy().equals(TaskPolicy.none())) {
      params.put("policy", spec.policy().json());
    }
    params.put("context", context.json());
    params.put("metadata", spec.metadata());
    return new Rpc("tasks/send", params);
  }

  @Override
  public boolean isAlwaysWaiting() {
    return true;
  }

  @Override
  public Task sent(@Nullable Object result) throws MalformedException {
    return got(result);
  }

  @Override
  public Rpc get(String taskId) {
    return new Rpc("tasks/get", Map.of("id", taskId));
  }

  @Override
  public Task got(@Nullable Object result) throws MalformedException {
    return CODEC.task(Fields.of("the task", result));
  }

  @Override
  public Rpc cancel(String taskId) {
    return new Rpc("tasks/cancel", Map.of("id", taskId));
  }

  @Override
  public Source subscribe(TaskSpec spec) {
    return at("tasks/sendSubscribe?id=" + encoded(spec.id()));
  }

  @Override
  public Source resubscribe(String taskId, @Nullable Instant since) {
    String cutoff = since == null ? "" : "&last_event_id=" + encoded(since.toString());
    return at("tasks/resubscribe?id=" + encoded(taskId) + cutoff);
  }

  private Source at(String path) {
    return new Source(base.resolve(path), null);
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  @Override
  public void tell(SseReader.Event event, @Nullable String taskId, Follower follower)
      throws MalformedException {
    switch (event.name()) {
      case "status" -> follower.update(CODEC.statusUpdate(fields(event)));
      case "artifact" -> follower.update(CODEC.artifactUpdate(fields(event)));
      case "warning" -> {
        long lost = fields(event).number("lagged", TaskUpdate.Gap.UNKNOWN);
        follower.update(new TaskUpdate.Gap(taskId == null ? "" : taskId, lost));
      }
      // Whatever a newer server may tell besides.
      default -> {}
    }
  }

  private static Fields fields(SseReader.Event event) throws MalformedException {
    return Fields.of("the event", Json.parse(event.data()));
  }

  @Override
  public A2aException error(int code, String message, @Nullable Object data) {
    return switch (code) {
      case -32001 -> new UnauthorizedException(message, code, data);
      case -32002 -> new PolicyViolationException(message, code, data);
      case -32003 -> new BudgetExceededException(message, code, data);
      case -32004 -> new RecursionException(message, code, data);
      // It tells of skills by the same code.
      case -32010 ->
          message.startsWith("not found: task ")
              ? new UnknownTaskException(message, code, data)
              : new A2aException(Code.AGENT, message, code, data);
      default -> new A2aException(Code.AGENT, message, code, data);
    };
  }
}
