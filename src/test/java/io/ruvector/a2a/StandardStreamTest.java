package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.a2a.ScriptedServer.Request;
import io.ruvector.a2a.ScriptedServer.Script;
import io.ruvector.oracle.Seed;
import java.io.OutputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Streams of the standard's version 1.0 over connections that break. */
@Timeout(60)
@SuppressWarnings("try") // what closing does is what some of these are about
class StandardStreamTest {
  private static final TaskSpec GO = TaskSpec.of("stream", "go");

  /** An agent with the card of a2a-sdk's, whose calls are left to a script. */
  private static ScriptedServer server(Script script) {
    String card =
        Recorded.file("standard/card-none.json").replaceAll("http://127.0.0.1:\\d+/", "/");
    return new ScriptedServer(
        (request, out) -> {
          if (request.method().equals("GET")) {
            ScriptedServer.json(out, card);
          } else {
            script.answer(request, out);
          }
        });
  }

  private static A2aClient connect(ScriptedServer server, A2aOptions options) {
    return A2aClient.connect(server.uri(), Trust.insecureForTests(), options);
  }

  private static A2aClient connect(ScriptedServer server) {
    return connect(server, A2aOptions.defaults());
  }

  private static void event(OutputStream out, Request request, Map<String, Object> result)
      throws Exception {
    var answer = Map.of("jsonrpc", "2.0", "id", request.id(), "result", result);
    ScriptedServer.write(out, "data: " + Json.write(answer) + "\r\n\r\n");
  }

  private static String error(Request request, int code, String message) {
    return "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"error\":{\"code\":%d,\"message\":\"%s\"}}"
        .formatted(request.id(), code, message);
  }

  private static Map<String, Object> status(int i, boolean isFinal) {
    var message = Map.of("role", "ROLE_AGENT", "parts", List.of(Map.of("text", "step " + i)));
    return Map.of(
        "state",
        isFinal ? "TASK_STATE_COMPLETED" : "TASK_STATE_WORKING",
        // Two at a time: agents' clocks are coarse.
        "timestamp",
        Instant.ofEpochSecond(i / 2).toString(),
        "message",
        message);
  }

  /** An agent's work, whose updates are known before, and which gets on as the test wants. */
  private static final class Work {
    final List<Map<String, Object>> updates = new ArrayList<>();

    /** How far it has come. */
    volatile int done;

    static Work random(RandomGenerator random, int updates) {
      var work = new Work();
      Map<String, Boolean> begun = new LinkedHashMap<>();
      for (int i = 0; i < updates - 1; i++) {
        String id = "a" + random.nextInt(3);
        if (random.nextBoolean()) {
          work.updates.add(
              Map.of("statusUpdate", Map.of("taskId", "t1", "status", status(i, false))));
        } else {
          // Some pieces say what others said before, some are of no text at all.
          Object part =
              random.nextInt(4) == 0 ? Map.of("data", i) : Map.of("text", "x" + random.nextInt(3));
          boolean append = begun.containsKey(id) && random.nextInt(5) > 0;
          begun.put(id, true);
          work.updates.add(
              Map.of(
                  "artifactUpdate",
                  Map.of(
                      "taskId",
                      "t1",
                      "append",
                      append,
                      "artifact",
                      Map.of("artifactId", id, "parts", List.of(part)))));
        }
      }
      work.updates.add(
          Map.of("statusUpdate", Map.of("taskId", "t1", "status", status(updates, true))));
      return work;
    }

    boolean isDone() {
      return done == updates.size();
    }

    /** The task as a server keeps it. */
    Map<String, Object> task() {
      Object last = Map.of("state", "TASK_STATE_SUBMITTED");
      Map<String, List<Object>> artifacts = new LinkedHashMap<>();
      for (Map<String, Object> update : updates.subList(0, done)) {
        if (update.get("statusUpdate") instanceof Map<?, ?> status) {
          last = status.get("status");
        } else if (update.get("artifactUpdate") instanceof Map<?, ?> piece
            && piece.get("artifact") instanceof Map<?, ?> artifact) {
          List<Object> parts =
              artifacts.computeIfAbsent(
                  (String) artifact.get("artifactId"), id -> new ArrayList<>());
          if (piece.get("append").equals(false)) {
            parts.clear();
          }
          parts.addAll((List<?>) artifact.get("parts"));
        }
      }
      List<Object> all = new ArrayList<>();
      artifacts.forEach((id, parts) -> all.add(Map.of("artifactId", id, "parts", parts)));
      return Map.of("id", "t1", "contextId", "c1", "status", last, "artifacts", all);
    }

    /** Tells how it stands, and so many updates more. */
    void tell(Request request, OutputStream out, int more) throws Exception {
      event(out, request, Map.of("task", task()));
      for (int i = 0; i < more; i++) {
        event(out, request, updates.get(done++));
      }
    }
  }

  /** What somebody who puts the pieces together has in the end. */
  private static Map<String, List<Part>> artifacts(List<TaskUpdate> updates) {
    Map<String, List<Part>> artifacts = new LinkedHashMap<>();
    for (TaskUpdate update : updates) {
      if (update instanceof TaskUpdate.ArtifactUpdate piece) {
        List<Part> parts =
            artifacts.computeIfAbsent(piece.artifact().id(), id -> new ArrayList<>());
        if (!piece.append()) {
          parts.clear();
        }
        parts.addAll(piece.artifact().parts());
      }
    }
    return artifacts;
  }

  private static Map<String, List<Part>> artifacts(Task task) {
    Map<String, List<Part>> artifacts = new LinkedHashMap<>();
    task.artifacts().forEach(artifact -> artifacts.put(artifact.id(), artifact.parts()));
    return artifacts;
  }

  private static List<TaskUpdate> all(TaskStream stream) {
    try (stream) {
      List<TaskUpdate> updates = new ArrayList<>();
      stream.forEach(updates::add);
      return updates;
    }
  }

  private static List<String> told(List<TaskUpdate> updates) {
    return updates.stream()
        .map(
            update ->
                switch (update) {
                  case TaskUpdate.Gap gap -> "gap " + gap.lost();
                  case TaskUpdate.Status status -> {
                    Message message = status.status().message();
                    yield status.state() + (message == null ? "" : " " + message.text());
                  }
                  case TaskUpdate.ArtifactUpdate piece ->
                      (piece.append() ? "+" : "=") + piece.text();
                })
        .toList();
  }

  private static Map<String, Object> piece(String text, boolean append) {
    return Map.of(
        "artifactUpdate",
        Map.of(
            "taskId",
            "t1",
            "append",
            append,
            "artifact",
            Map.of("artifactId", "out", "parts", List.of(Map.of("text", text)))));
  }

  private static Map<String, Object> step(int i, boolean isFinal) {
    return Map.of("statusUpdate", Map.of("taskId", "t1", "status", status(i, isFinal)));
  }

  private static Work work() {
    var work = new Work();
    work.updates.addAll(
        List.of(
            step(1, false),
            piece("a", false),
            piece("b", true),
            step(2, false),
            // Of the same second.
            step(3, false),
            piece("c", true),
            step(4, true)));
    return work;
  }

  /** The agent goes on while nobody hears it, and is asked from where it has come to. */
  @Test
  void goesOnBehindAGap() {
    Work work = work();
    try (var server =
            server(
                (request, out) -> {
                  ScriptedServer.events(out);
                  if (request.calls("SendStreamingMessage")) {
                    work.tell(request, out, 2);
                    work.done += 2;
                  } else {
                    work.tell(request, out, 3);
                    ScriptedServer.hold();
                  }
                });
        var agent = connect(server)) {
      List<TaskUpdate> updates = all(agent.stream(GO));
      assertEquals(
          List.of(
              "SUBMITTED",
              "WORKING step 1",
              "=a",
              "gap -1",
              "+b",
              "WORKING step 2",
              "WORKING step 3",
              "+c",
              "COMPLETED step 4"),
          told(updates));
      assertEquals(1, server.calls("SendStreamingMessage"));
      assertEquals(1, server.calls("SubscribeToTask"));
      // As updates do, a snapshot names the context: what answers the agent needs that.
      var first = (TaskUpdate.Status) updates.getFirst();
      assertEquals("c1", first.more().get("contextId"));
    }
  }

  /** A proxy that the agent has gone from is asked again. */
  @Test
  void goesOnBehindABadGateway() {
    Work work = work();
    var refusals = new AtomicInteger(2);
    try (var server =
            server(
                (request, out) -> {
                  if (request.calls("SubscribeToTask") && refusals.getAndDecrement() > 0) {
                    ScriptedServer.status(out, 502, "", "");
                    return;
                  }
                  ScriptedServer.events(out);
                  work.tell(request, out, 1);
                });
        var agent = connect(server)) {
      List<String> told = told(all(agent.stream(GO)));
      assertEquals(List.of("SUBMITTED", "WORKING step 1", "gap -1"), told.subList(0, 3));
      assertEquals("COMPLETED step 4", told.getLast());
    }
  }

  /** What was told is not told again: not the state, nor the artifact. */
  @Test
  void nothingNewBehindAGap() {
    Work work = work();
    try (var server =
            server(
                (request, out) -> {
                  ScriptedServer.events(out);
                  work.tell(request, out, work.done == 0 ? 4 : 3);
                });
        var agent = connect(server)) {
      assertEquals(
          List.of(
              "SUBMITTED",
              "WORKING step 1",
              "=a",
              "+b",
              "WORKING step 2",
              "gap -1",
              "WORKING step 3",
              "+c",
              "COMPLETED step 4"),
          told(all(agent.stream(GO))));
    }
  }

  /** As a2a-sdk's server does, whose message of it depends on its version. */
  @Test
  void doneMeanwhile() {
    for (boolean asEvent : new boolean[] {false, true}) {
      Work work = work();
      try (var server =
              server(
                  (request, out) -> {
                    if (request.calls("SendStreamingMessage")) {
                      ScriptedServer.events(out);
                      work.tell(request, out, 2);
                      work.done = work.updates.size();
                    } else if (request.calls("GetTask")) {
                      ScriptedServer.result(out, request, Json.write(work.task()));
                    } else if (asEvent) {
                      ScriptedServer.events(out);
                      ScriptedServer.write(
                          out, "data: " + error(request, -32004, "terminal") + "\n\n");
                    } else {
                      ScriptedServer.json(out, error(request, -32004, "terminal"));
                    }
                  });
          var agent = connect(server)) {
        assertEquals(
            List.of("SUBMITTED", "WORKING step 1", "=a", "gap -1", "+bc", "COMPLETED step 4"),
            told(all(agent.stream(GO))));
        assertEquals(1, server.calls("GetTask"));
        // Who comes when all is over hears all of it.
        assertEquals(List.of("=abc", "COMPLETED step 4"), told(all(agent.resubscribe("t1"))));
      }
    }
  }

  /** A refusal stays one where the task is not done, or not known. */
  @Test
  void refusedForOtherReasons() {
    Work work = work();
    try (var server =
            server(
                (request, out) -> {
                  if (request.calls("SendStreamingMessage")) {
                    ScriptedServer.events(out);
                    work.tell(request, out, 1);
                  } else if (request.calls("SubscribeToTask")) {
                    ScriptedServer.json(out, error(request, -32601, "no such method"));
                  } else if (request.body().contains("t1")) {
                    ScriptedServer.result(out, request, Json.write(work.task()));
                  } else {
                    ScriptedServer.json(out, error(request, -32001, "no such task"));
                  }
                });
        var agent = connect(server)) {
      var refused = assertThrows(A2aException.class, () -> all(agent.stream(GO)));
      assertEquals(-32601, refused.rpcCode().orElseThrow());
      assertThrows(UnknownTaskException.class, () -> agent.resubscribe("t2"));
    }
  }

  @Test
  void agentThatDoesNotComeBack() {
    Work work = work();
    try (var server =
            server(
                (request, out) -> {
                  if (request.calls("SendStreamingMessage")) {
                    ScriptedServer.events(out);
                    work.tell(request, out, 1);
                  }
                });
        var agent = connect(server, A2aOptions.defaults().maxReconnects(3));
        var stream = agent.stream(GO)) {
      var updates = stream.iterator();
      updates.next();
      updates.next();
      var lost = assertThrows(TransportException.class, updates::hasNext);
      assertTrue(String.valueOf(lost.getMessage()).contains("ended before the task"));
      assertEquals(3, server.calls("SubscribeToTask"));
    }
  }

  /** An agent that lets itself be asked, and says nothing new, is not asked for ever. */
  @Test
  void agentThatIsStuck() {
    Work work = work();
    try (var server =
            server(
                (request, out) -> {
                  ScriptedServer.events(out);
                  work.tell(request, out, work.done == 0 ? 3 : 0);
                });
        var agent = connect(server, A2aOptions.defaults().maxReconnects(3));
        var stream = agent.stream(GO)) {
      List<TaskUpdate> updates = new ArrayList<>();
      assertThrows(TransportException.class, () -> stream.forEach(updates::add));
      assertEquals(List.of("SUBMITTED", "WORKING step 1", "=a", "+b", "gap -1"), told(updates));
      assertEquals(3, server.calls("SubscribeToTask"));
    }
  }

  /** Reconnecting is waiting too: closing ends it, and so does an interrupt. */
  @Test
  void closedWhileItReconnects() throws Exception {
    var asked = new CountDownLatch(3);
    A2aOptions patient = A2aOptions.defaults().requestTimeout(Duration.ofHours(1));
    try (var server =
        server(
            (request, out) -> {
              if (request.calls("SendStreamingMessage")) {
                ScriptedServer.events(out);
                work().tell(request, out, 1);
              } else {
                asked.countDown();
                ScriptedServer.hold();
              }
            })) {
      A2aClient closed = connect(server, patient);
      try (var agent = connect(server, patient);
          var stream = agent.stream(GO);
          var interrupted = agent.stream(GO);
          var other = closed.stream(GO)) {
        CompletableFuture<List<TaskUpdate>> updates = A2aClient.async(() -> all(stream));
        CompletableFuture<List<TaskUpdate>> ended = A2aClient.async(() -> all(other));
        var failure = new CompletableFuture<Throwable>();
        Thread thread =
            Thread.ofVirtual()
                .start(
                    () ->
                        failure.complete(
                            assertThrows(RuntimeException.class, () -> all(interrupted))));
        asked.await();
        stream.close();
        assertEquals(
            List.of("SUBMITTED", "WORKING step 1"), told(updates.get(10, TimeUnit.SECONDS)));
        thread.interrupt();
        assertEquals(CancellationException.class, failure.get(10, TimeUnit.SECONDS).getClass());
        closed.close();
        var reason = assertThrows(ExecutionException.class, () -> ended.get(10, TimeUnit.SECONDS));
        assertEquals(IllegalStateException.class, reason.getCause().getClass());
      }
    }
  }

  /**
   * However often it breaks, and whatever happens meanwhile: who puts the pieces together has the
   * agent's artifacts in the end, and hears of each state once.
   */
  @Test
  void whateverBreaks() {
    RandomGenerator random = Seed.random("whateverBreaks");
    for (int round = 0; round < 12; round++) {
      Work work = Work.random(random, 10 + random.nextInt(20));
      try (var server =
              server(
                  (request, out) -> {
                    if (request.calls("GetTask")) {
                      ScriptedServer.result(out, request, Json.write(work.task()));
                      return;
                    }
                    if (request.calls("SubscribeToTask")) {
                      work.done += random.nextInt(Math.min(5, work.updates.size() - work.done + 1));
                      if (work.isDone()) {
                        ScriptedServer.json(out, error(request, -32004, "terminal"));
                        return;
                      }
                    }
                    if (request.calls("SendStreamingMessage") || random.nextBoolean()) {
                      ScriptedServer.events(out);
                    } else {
                      // Its end comes as an error, and may come before its beginning is read.
                      ScriptedServer.write(
                          out,
                          "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                              + "content-length: 1000000000\r\n\r\n");
                    }
                    // At least one, or it might give up.
                    work.tell(
                        request,
                        out,
                        1 + random.nextInt(Math.min(8, work.updates.size() - work.done)));
                    if (random.nextBoolean()) {
                      ScriptedServer.write(out, "data: {\"jsonrpc\":\"2.0\",\"resu");
                    }
                  });
          var agent = connect(server, A2aOptions.defaults().maxReconnects(100))) {
        List<TaskUpdate> updates = all(agent.stream(GO));
        String trace = told(updates).toString();
        assertEquals(artifacts(agent.get("t1")), artifacts(updates), trace);
        List<String> states = told(updates).stream().filter(text -> text.contains("step")).toList();
        assertEquals(states.stream().distinct().toList(), states, trace);
        assertEquals("COMPLETED step " + work.updates.size(), told(updates).getLast());
        long gaps = updates.stream().filter(update -> update instanceof TaskUpdate.Gap).count();
        long cuts = server.calls("SubscribeToTask");
        assertTrue(gaps <= cuts && (gaps > 0 || cuts == 0), gaps + " gaps in " + trace);
      }
    }
  }
}
