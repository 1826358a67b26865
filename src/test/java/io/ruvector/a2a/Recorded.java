package io.ruvector.a2a;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** Exchanges with upstream's server as they were recorded; see the README beside them. */
public final class Recorded {
  private Recorded() {}

  public static String file(String name) {
    try (InputStream in = Recorded.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** The body of a recorded response. */
  public static String body(String name) {
    String text = file("rvagent/" + name + ".txt").replace("\r\n", "\n");
    int head = text.indexOf("\n\n", text.indexOf("HTTP/1.1 "));
    return text.substring(head + 2, text.indexOf("# curl-exit")).strip();
  }

  /** The recorded answer to a call, as if to this one. */
  public static String answer(String name, ScriptedServer.Request request) {
    return body(name)
        .replaceFirst("\"id\":(\"r1\"|\\d+|null)}$", "\"id\":\"" + request.id() + "\"}");
  }

  /** The events of a recorded stream, in the form in which they were received. */
  public static String events(String name) {
    return body(name) + "\n\n";
  }

  public static String card() {
    return body("card");
  }

  /** The id of the agent whose card was recorded. */
  public static final String AGENT_ID =
      "bb42f5a06cec4f36e3e9173236e88cdba7aa1a7bf737f6c6c372aa4c9268573e";

  /** A server that has the recorded card, and leaves everything else to a script. */
  public static ScriptedServer server(ScriptedServer.Script script) {
    return new ScriptedServer(
        (request, out) -> {
          switch (request.path()) {
            case "/.well-known/agent-card.json" -> ScriptedServer.status(out, 404, "", "");
            case "/.well-known/agent.json" -> ScriptedServer.json(out, card());
            default -> script.answer(request, out);
          }
        });
  }

  public static A2aClient connect(ScriptedServer server) {
    return connect(server, A2aOptions.defaults());
  }

  public static A2aClient connect(ScriptedServer server, A2aOptions options) {
    return A2aClient.connect(server.uri(), Trust.pinned(AGENT_ID), options);
  }
}
