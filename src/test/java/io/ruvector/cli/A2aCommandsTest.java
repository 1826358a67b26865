package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.a2a.Recorded;
import io.ruvector.a2a.ScriptedServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class A2aCommandsTest {
  @TempDir private Path folder;

  private static Cli.Run a2a(ScriptedServer server, String command, Object... more) {
    return trusting(server, Recorded.AGENT_ID, command, more);
  }

  private static Cli.Run trusting(
      ScriptedServer server, Object trust, String command, Object... more) {
    return Cli.run(
        Stream.of(new Object[] {"a2a", command, server.uri(), "--trust", trust}, more)
            .flatMap(Arrays::stream)
            .toArray());
  }

  private static ScriptedServer answering(String name) {
    return Recorded.server(
        (request, out) -> ScriptedServer.json(out, Recorded.answer(name, request)));
  }

  /** An agent whose every stream is this one. */
  private static ScriptedServer streaming(String events) {
    return Recorded.server(
        (request, out) -> {
          if (request.method().equals("GET")) {
            ScriptedServer.events(out);
            ScriptedServer.write(out, events);
          }
          ScriptedServer.hold();
        });
  }

  @Test
  void card() {
    try (var server = answering("get")) {
      assertEquals(
          List.of(
              "agent",
              "name  version  id                                                                "
                  + "provider  streaming  description",
              "peer  0.1.0    " + Recorded.AGENT_ID + "  t         true       test peer",
              "",
              "skills",
              "skill   description",
              "echo    echo é😀\t/<>&"),
          a2a(server, "card").lines().subList(0, 7));
      a2a(server, "card", "--format", "json").data();
    }
  }

  @Test
  void trust() throws IOException {
    try (var server = answering("get")) {
      String refused = trusting(server, "0".repeat(64), "card").failure(ExitCode.NOT_FOUND);
      assertTrue(refused.contains("not pinned"), refused);
      trusting(server, "any-signed", "card").data();
      trusting(server, "insecure", "card").data();
      Path known = folder.resolve("known");
      trusting(server, "first-use=" + known, "card").data();
      assertTrue(Files.readString(known).endsWith(" " + Recorded.AGENT_ID + "\n"));
      trusting(server, "everybody", "card").failure(ExitCode.USAGE);
      trusting(server, folder.resolve("none.json"), "card").failure(ExitCode.USAGE);
      Cli.run("a2a", "card", server.uri()).failure(ExitCode.USAGE);
    }
  }

  @Test
  void send() {
    try (var server = answering("send-echo")) {
      Cli.Run run =
          a2a(
              server,
              "send",
              "echo",
              "hello",
              "--metadata",
              "n=3",
              "--metadata",
              "s=x",
              "--max-cost-usd",
              0.5,
              "--format",
              "csv");
      assertEquals(List.of("task,state,text,message", "t1,completed,hello,"), run.lines());
      String sent = server.requests().getLast().body();
      assertTrue(sent.contains("\"max_cost_usd\":0.5,\"max_tokens\":null"), sent);
      assertTrue(sent.contains("\"metadata\":{\"n\":3,\"s\":\"x\"}"), sent);
      a2a(server, "send", " ", "hello").failure(ExitCode.USAGE);
    }
    try (var server = answering("send-fail")) {
      Cli.Run run = a2a(server, "send", "fail", "hello", "--format", "csv");
      assertEquals(ExitCode.DATA, run.exitCode());
      assertEquals("tf,failed,,internal error: boom", run.out().lines().toList().get(1));
    }
    try (var server = answering("policy-skill")) {
      String refused = a2a(server, "send", "echo", "hello").failure(ExitCode.DATA);
      assertTrue(refused.contains("skill echo not in allow list"), refused);
    }
  }

  @Test
  void getAndCancel() {
    try (var server = answering("get")) {
      assertEquals(
          "t1,completed,hello,", a2a(server, "get", "t1", "--format", "csv").lines().get(1));
    }
    try (var server = answering("get-unknown")) {
      a2a(server, "get", "nope").failure(ExitCode.NOT_FOUND);
    }
    try (var server = answering("cancel-done")) {
      Cli.Run run = a2a(server, "cancel", "t1");
      assertEquals("", run.data());
      assertTrue(run.err().contains("t1"), run.err());
    }
  }

  @Test
  void streamAsItComes() {
    try (var server = streaming(Recorded.events("sse-live"))) {
      Cli.Run run = a2a(server, "stream", "stream", "hello");
      assertEquals("chunk 0chunk 1", run.data().strip());
      assertEquals(
          List.of(
              "submitted", "working: step 0", "working: step 1", "working: step 2", "completed"),
          run.err().lines().toList());
      List<String> rows = a2a(server, "stream", "stream", "hello", "--format", "jsonl").lines();
      assertEquals(7, rows.size());
      assertEquals(
          "{\"task\":\"s1\",\"kind\":\"artifact\",\"state\":null,\"text\":\"chunk"
              + " 0\",\"lost\":null}",
          rows.get(4));
    }
  }

  @Test
  void streamThatFails() {
    try (var server = streaming(Recorded.events("sse-resub-unknown"))) {
      assertEquals(ExitCode.DATA, a2a(server, "stream", "stream", "hello").exitCode());
    }
    String escape =
        "event: artifact\n"
            + "data:"
            + " {\"id\":\"t\",\"artifact\":{\"parts\":[{\"type\":\"text\",\"text\":\"a\\u001b[31m\"}]}}\n\n"
            + "event: warning\n"
            + "data: {\"lagged\":7}\n\n"
            + Recorded.events("sse-live")
                .substring(Recorded.events("sse-live").lastIndexOf("event:"));
    try (var server = streaming(escape)) {
      Cli.Run run = a2a(server, "stream", "stream", "hello");
      assertFalse(run.data().contains("\u001b"), "a terminal's escape sequence");
      assertTrue(run.err().contains("7 updates lost"), run.err());
    }
  }
}
