package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.a2a.ScriptedServer.Script;
import io.ruvector.internal.BodyQueue;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Servers that are broken, or mean ill: each is survived with a typed error, and little memory. */
class HostileServerTest {
  private static final Duration SOON = Duration.ofSeconds(60);

  private static final A2aOptions OPTIONS =
      A2aOptions.defaults()
          .idleTimeout(SOON)
          .requestTimeout(SOON)
          .maxEventBytes(100_000)
          .maxBodyBytes(100_000)
          .maxReconnects(1);

  private static Arguments stream(String name, String reason, Script script) {
    return Arguments.of(name, reason, script);
  }

  private static void event(OutputStream out, String data) throws Exception {
    ScriptedServer.write(out, "event: status\ndata: " + data + "\n\n");
  }

  private static void fill(OutputStream out, String text, long bytes) throws Exception {
    byte[] block = text.repeat(10_000 / text.length()).getBytes(StandardCharsets.UTF_8);
    for (long written = 0; written < bytes; written += block.length) {
      out.write(block);
    }
    out.flush();
  }

  static Stream<Arguments> streams() {
    return Stream.of(
        stream(
            "garbage",
            "Unrecognized token",
            (request, out) -> {
              ScriptedServer.events(out);
              event(out, "garbage");
            }),
        stream(
            "binary",
            "not UTF-8",
            (request, out) -> {
              ScriptedServer.events(out);
              byte[] noise = new byte[1_000];
              Arrays.fill(noise, (byte) 0xff);
              out.write(noise);
              ScriptedServer.write(out, "\n\n");
            }),
        stream(
            "another object",
            "has no id",
            (request, out) -> {
              ScriptedServer.events(out);
              event(out, "{}");
            }),
        stream(
            "wrong types",
            "expected: an object",
            (request, out) -> {
              ScriptedServer.events(out);
              event(out, "{\"id\":\"t\",\"status\":7}");
            }),
        stream(
            "deep",
            "depth",
            (request, out) -> {
              ScriptedServer.events(out);
              event(out, "[".repeat(40_000));
            }),
        stream(
            "10 MB line",
            "more than the 100000 bytes",
            (request, out) -> {
              ScriptedServer.events(out);
              ScriptedServer.write(out, "data: ");
              fill(out, "x", 10_000_000);
              ScriptedServer.write(out, "\n\n");
            }),
        stream(
            "many lines of one event",
            "more than the 100000 bytes",
            (request, out) -> {
              ScriptedServer.events(out);
              fill(out, "data: x\n", 10_000_000);
            }),
        stream(
            "no newline at all",
            "more than the 100000 bytes",
            (request, out) -> {
              ScriptedServer.events(out);
              fill(out, "x", Long.MAX_VALUE);
            }),
        stream(
            "endless comments",
            "more than the 100000 bytes",
            (request, out) -> {
              ScriptedServer.events(out);
              fill(out, ": still here\n\n", Long.MAX_VALUE);
            }),
        stream(
            "half an event",
            "ended before the task",
            (request, out) -> {
              ScriptedServer.events(out);
              ScriptedServer.write(out, "event: status\ndata: {\"id\":\"t\",\"sta");
            }),
        stream(
            "half a chunk",
            "",
            (request, out) ->
                ScriptedServer.write(
                    out,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                        + "transfer-encoding: chunked\r\n\r\n400\r\nevent: sta")),
        stream(
            "silence",
            "was silent for PT0.5S",
            (request, out) -> {
              ScriptedServer.events(out);
              ScriptedServer.hold();
            }),
        stream(
            "wrong content type",
            "answers with text/html",
            (request, out) ->
                ScriptedServer.status(out, 200, "content-type: text/html\r\n", "<html>")),
        stream(
            "status 500",
            "answers 500: oh no?[31m",
            (request, out) -> ScriptedServer.status(out, 500, "", "oh no\u001b[31m\nmore")),
        stream(
            "garbage instead of HTTP",
            "",
            (request, out) -> ScriptedServer.write(out, "x\r\n\r\n")),
        stream("nothing", "", (request, out) -> {}));
  }

  /** The agent's streams, all alike; what is posted is never answered. */
  private static ScriptedServer streaming(Script script) {
    return Recorded.server(
        (request, out) -> {
          if (request.method().equals("POST")) {
            ScriptedServer.hold();
          } else {
            script.answer(request, out);
          }
        });
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("streams")
  void streams(String name, String reason, Script script) {
    assertTimeoutPreemptively(
        SOON,
        () -> {
          A2aOptions options =
              name.equals("silence") ? OPTIONS.idleTimeout(Duration.ofMillis(500)) : OPTIONS;
          try (var server = streaming(script);
              var agent = Recorded.connect(server, options)) {
            var failure =
                assertThrows(
                    TransportException.class,
                    () -> {
                      try (var stream = agent.stream(TaskSpec.of("stream", "x").id("t"))) {
                        stream.forEach(update -> {});
                      }
                    });
            assertTrue(String.valueOf(failure.getMessage()).contains(reason), failure.toString());
          }
        });
  }

  static Stream<Arguments> answers() {
    String json = "content-type: application/json\r\n";
    return Stream.of(
        stream(
            "10 MB",
            "more than the 100000 bytes",
            (request, out) -> {
              ScriptedServer.write(out, "HTTP/1.1 200 OK\r\n" + json + "\r\n\"");
              fill(out, "x", 10_000_000);
            }),
        stream(
            "a length that is a lie",
            "",
            (request, out) ->
                ScriptedServer.write(
                    out, "HTTP/1.1 200 OK\r\n" + json + "content-length: 99\r\n\r\n{}")),
        stream("no JSON", "Unrecognized", (request, out) -> ScriptedServer.json(out, "garbage")),
        stream("nothing", "nothing where JSON", (request, out) -> ScriptedServer.json(out, "")),
        stream("null", "expected: an object", (request, out) -> ScriptedServer.json(out, "null")),
        stream(
            "neither result nor error",
            "expected: an object",
            (request, out) -> ScriptedServer.json(out, "{\"id\":\"%s\"}".formatted(request.id()))),
        stream(
            "an answer to another call",
            "that to call",
            (request, out) -> ScriptedServer.json(out, "{\"id\":\"99\",\"result\":{}}")),
        stream(
            "HTML",
            "answers with text/html",
            (request, out) ->
                ScriptedServer.status(out, 200, "content-type: text/html\r\n", "<html>")),
        stream(
            "status 413",
            "answers 413: length limit exceeded",
            (request, out) -> ScriptedServer.status(out, 413, "", "length limit exceeded")),
        stream(
            "a redirect",
            "answers 307",
            (request, out) -> ScriptedServer.status(out, 307, "location: /x\r\n", "")));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("answers")
  void answers(String name, String reason, Script script) {
    assertTimeoutPreemptively(
        SOON,
        () -> {
          try (var server = Recorded.server(script);
              var agent = Recorded.connect(server, OPTIONS)) {
            var failure =
                assertThrows(TransportException.class, () -> agent.send(TaskSpec.of("echo", "x")));
            assertTrue(String.valueOf(failure.getMessage()).contains(reason), failure.toString());
            assertEquals(1, server.calls("tasks/send"), "it was sent again");
          }
        });
  }

  /** However slowly updates are taken, the server has to wait: nothing piles up here. */
  @Test
  void slowReaderHoldsTheServerBack() {
    var written = new AtomicLong();
    String event =
        "event: status\ndata: {\"id\":\"t\",\"status\":{\"state\":\"working\"},\"pad\":\"%s\"}\n\n"
            .formatted("x".repeat(50_000));
    try (var server =
            streaming(
                (request, out) -> {
                  ScriptedServer.events(out);
                  while (true) {
                    ScriptedServer.write(out, event);
                    written.addAndGet(event.length());
                  }
                });
        var agent = Recorded.connect(server, OPTIONS);
        var stream = agent.stream(TaskSpec.of("stream", "x").id("t"))) {
      var updates = stream.iterator();
      updates.next();
      // The server writes until the buffers of both sockets are full, and then no more.
      assertTimeoutPreemptively(
          SOON,
          () -> {
            long before;
            do {
              before = written.get();
              Thread.sleep(300);
            } while (written.get() > before);
          });
      assertTrue(written.get() < 64 << 20, written + " bytes");
      updates.next();
    }
  }

  @Test
  void lineEndsOfEveryKind() throws Exception {
    var body = new BodyQueue();
    String text =
        "\ufeff: c\r\n"
            + "event: a\r"
            + "data: 1\n"
            + "data:2\r\n\r\n"
            + "data\n\n"
            + "id: 7\n"
            + "retry: 1\n"
            + "unknown\n"
            + "data:  é \r\r";
    // One byte at a time, so that every end is cut apart.
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      body.onNext(List.of(java.nio.ByteBuffer.wrap(new byte[] {b})));
    }
    body.onComplete();
    var reader = new SseReader(body, 1_000);
    List<SseReader.Event> events = new ArrayList<>();
    for (var e = reader.next(() -> 1_000); e != null; e = reader.next(() -> 1_000)) {
      events.add(e);
    }
    assertEquals(
        List.of(
            new SseReader.Event("a", "1\n2"),
            new SseReader.Event("", ""),
            new SseReader.Event("", " é ")),
        events);
  }
}
