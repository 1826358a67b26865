package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException.Code;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What upstream's server was seen to answer, read as it should be. */
class RecordedExchangesTest {
  private static final TaskSpec HELLO = TaskSpec.of("echo", "hello").id("t1");

  /** A server whose every call is answered by one recording. */
  private static ScriptedServer answering(String name) {
    return Recorded.server(
        (request, out) -> ScriptedServer.json(out, Recorded.answer(name, request)));
  }

  @Test
  void taskThatIsDone() {
    try (var server = answering("send-echo");
        var agent = Recorded.connect(server)) {
      Task task = agent.send(HELLO);
      assertEquals("t1", task.id());
      assertEquals(TaskState.COMPLETED, task.state());
      assertEquals(Instant.parse("2026-11-23T14:26:53.018320239Z"), task.status().timestamp());
      assertEquals("hello", task.text());
      assertEquals(List.of(Message.user("hello")), task.history());
      Artifact artifact = task.artifacts().getFirst();
      assertEquals("0", artifact.id());
      assertEquals("echo", artifact.name());
      // What has no field of its own is kept.
      assertEquals(Map.of("append", false, "lastChunk", true), artifact.more());

      String sent = server.requests().getLast().body();
      assertTrue(
          sent.contains(
              "\"params\":{\"id\":\"t1\",\"skill\":\"echo\",\"message\":{\"role\":\"user\","
                  + "\"parts\":[{\"type\":\"text\",\"text\":\"hello\"}]},\"context\":{\"trace_id\":"),
          sent);
    }
  }

  @Test
  void policyAsItIsSent() {
    try (var server = answering("policy-cost-ignored");
        var agent = Recorded.connect(server)) {
      TaskPolicy policy =
          TaskPolicy.none()
              .maxCostUsd(0)
              .maxTokens(0)
              .maxDuration(Duration.ofSeconds(5))
              .allowedSkills("echo")
              .maxConcurrency(1);
      agent.send(HELLO.policy(policy));
      String sent = server.requests().getLast().body();
      assertTrue(
          sent.contains(
              "\"policy\":{\"max_cost_usd\":0.0,\"max_tokens\":0,\"max_duration_ms\":5000,"
                  + "\"allowed_skills\":[\"echo\"],\"max_concurrency\":1}"),
          sent);
    }
  }

  @Test
  void taskThatFailed() {
    try (var server = answering("send-fail");
        var agent = Recorded.connect(server)) {
      Task task = agent.sendAsync(HELLO).join();
      assertEquals(TaskState.FAILED, task.state());
      Message message = task.status().message();
      assertEquals("internal error: boom", message == null ? "" : message.text());
      assertEquals(Role.AGENT, message == null ? null : message.role());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "policy-skill, POLICY_VIOLATION, -32002, skill echo not in allow list",
    "policy-conc, POLICY_VIOLATION, -32002, concurrency cap reached: 0/0",
    "budget-3, BUDGET_EXCEEDED, -32003, current 3 > limit 2",
    "recursion-depth, RECURSION_LIMIT, -32004, recursion limit at depth 9",
    "recursion-visit, RECURSION_LIMIT, -32004, recursion limit at depth 0",
    "get-unknown, UNKNOWN_TASK, -32010, not found: task nope",
    "send-nocontext, AGENT, -32600, missing field `context`",
    "nomethod, AGENT, -32600, method not found",
    "badversion, AGENT, -32600, jsonrpc != \"2.0\"",
    "badjson, AGENT, -32700, EOF while parsing",
    "batch, AGENT, -32700, invalid type: map"
  })
  void errors(String name, Code code, int rpcCode, String message) {
    try (var server = answering(name);
        var agent = Recorded.connect(server)) {
      var refused = assertThrows(A2aException.class, () -> agent.send(HELLO));
      assertEquals(code, refused.code());
      assertEquals(rpcCode, refused.rpcCode().orElseThrow());
      assertTrue(String.valueOf(refused.getMessage()).contains(message), refused.getMessage());
    }
  }

  @Test
  void errorsAreTypedAndKeepTheirData() {
    try (var server = answering("recursion-visit");
        var agent = Recorded.connect(server)) {
      var refused = assertThrows(RecursionException.class, () -> agent.send(HELLO));
      assertEquals(Map.of("path", List.of("0".repeat(64))), refused.data());
    }
    try (var server = answering("policy-conc");
        var agent = Recorded.connect(server)) {
      assertThrows(PolicyViolationException.class, () -> agent.send(HELLO));
    }
    try (var server = answering("budget-3");
        var agent = Recorded.connect(server)) {
      assertThrows(BudgetExceededException.class, () -> agent.send(HELLO));
    }
  }

  @Test
  void getAndCancel() {
    try (var server =
            Recorded.server(
                (request, out) ->
                    ScriptedServer.json(
                        out,
                        Recorded.answer(
                            request.calls("tasks/cancel") ? "cancel-done" : "get-after-cancel",
                            request)));
        var agent = Recorded.connect(server)) {
      agent.cancel("t1");
      agent.cancelAsync("t1").join();
      assertEquals(TaskState.CANCELED, agent.get("t1").state());
      assertEquals("hello", agent.getAsync("t1").join().text());
    }
  }

  private static List<TaskUpdate> all(TaskStream stream) {
    List<TaskUpdate> updates = new ArrayList<>();
    stream.forEach(updates::add);
    return updates;
  }

  /** Subscribed before it is sent; ended by the final status, after which the server holds on. */
  @Test
  void stream() {
    var sent = new CountDownLatch(1);
    try (var server =
            Recorded.server(
                (request, out) -> {
                  if (request.method().equals("POST")) {
                    sent.countDown();
                    String answer = Recorded.file("rvagent/sse-live-sendresult.json");
                    ScriptedServer.json(
                        out, answer.strip().replaceFirst("\"r1\"}$", "\"" + request.id() + "\"}"));
                  } else {
                    ScriptedServer.events(out);
                    sent.await();
                    ScriptedServer.write(out, Recorded.events("sse-live"));
                    ScriptedServer.hold();
                  }
                });
        var agent = Recorded.connect(server);
        var stream = agent.stream(TaskSpec.of("stream", "hello").id("s 1"))) {
      List<TaskUpdate> updates = all(stream);
      assertEquals(7, updates.size());
      var first = assertInstanceOf(TaskUpdate.Status.class, updates.get(0));
      assertEquals(TaskState.SUBMITTED, first.state());
      var second = assertInstanceOf(TaskUpdate.Status.class, updates.get(1));
      assertEquals("0", String.valueOf(second.metadata().get("i")));
      var piece = assertInstanceOf(TaskUpdate.ArtifactUpdate.class, updates.get(5));
      assertEquals("chunk 1", piece.text());
      assertTrue(piece.append() && piece.lastChunk());
      var last = assertInstanceOf(TaskUpdate.Status.class, updates.get(6));
      assertTrue(last.isFinal());
      List<String> paths = server.requests().stream().map(r -> r.method() + r.path()).toList();
      assertEquals(
          List.of("GET/tasks/sendSubscribe?id=s+1", "POST/"), paths.subList(2, paths.size()));
      assertThrows(IllegalStateException.class, stream::iterator);
    }
  }

  @Test
  void resubscribe() {
    try (var server =
            Recorded.server(
                (request, out) -> {
                  ScriptedServer.events(out);
                  String name =
                      request.path().endsWith("=zzz") ? "sse-resub-unknown" : "sse-resub-all";
                  ScriptedServer.write(out, Recorded.events(name));
                });
        var agent = Recorded.connect(server);
        var known = agent.resubscribe("s1");
        var unknown = agent.resubscribe("zzz")) {
      assertEquals(5, all(known).size());
      List<TaskUpdate> updates = all(unknown);
      assertEquals(1, updates.size());
      assertEquals(
          TaskState.FAILED, assertInstanceOf(TaskUpdate.Status.class, updates.getFirst()).state());
    }
  }

  @Test
  void laggedIsAGap() {
    try (var server =
            Recorded.server(
                (request, out) -> {
                  ScriptedServer.events(out);
                  ScriptedServer.write(out, "event: warning\ndata: {\"lagged\":111}\n\n");
                  ScriptedServer.write(out, Recorded.events("sse-resub-unknown"));
                });
        var agent = Recorded.connect(server);
        var stream = agent.resubscribe("t9")) {
      assertEquals(new TaskUpdate.Gap("t9", 111), all(stream).getFirst());
    }
  }

  /** The connection breaks after two states: the rest comes from the recorded replay, once. */
  @Test
  void resumesWithoutTellingTwice() {
    String live = Recorded.events("sse-live");
    String beginning = live.substring(0, live.indexOf("step 1"));
    try (var server =
            Recorded.server(
                (request, out) -> {
                  if (request.method().equals("POST")) {
                    ScriptedServer.hold();
                  }
                  ScriptedServer.events(out);
                  // A server that replays everything is no worse than one that does not.
                  ScriptedServer.write(
                      out,
                      request.path().startsWith("/tasks/sendSubscribe")
                          ? beginning
                          : Recorded.events("sse-resub-all"));
                });
        var agent = Recorded.connect(server);
        var stream = agent.stream(TaskSpec.of("stream", "hello").id("s1"))) {
      List<String> told =
          all(stream).stream()
              .map(
                  update ->
                      switch (update) {
                        case TaskUpdate.Gap gap -> "gap " + gap.lost();
                        case TaskUpdate.Status status -> status.state() + " " + status.metadata();
                        case TaskUpdate.ArtifactUpdate piece -> piece.text();
                      })
              .toList();
      assertEquals(
          List.of(
              "SUBMITTED {}",
              "WORKING {i=0}",
              "gap -1",
              "WORKING {i=1}",
              "WORKING {i=2}",
              "COMPLETED {}"),
          told);
      assertEquals(
          "/tasks/resubscribe?id=s1&last_event_id=2026-11-23T14%3A27%3A33.641169942Z",
          server.requests().getLast().path());
    }
  }
}
