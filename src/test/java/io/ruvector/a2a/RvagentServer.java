package io.ruvector.a2a;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Upstream's own server, in a process of its own: the program of testing/rvagent-server. */
final class RvagentServer implements AutoCloseable {
  private static final Path PROGRAM = Path.of("target/rvagent-server/release/rvagent-server");

  private final Process process;
  private final URI uri;
  private final String agentId;

  private RvagentServer(Process process, URI uri, String agentId) {
    this.process = process;
    this.uri = uri;
    this.agentId = agentId;
  }

  static boolean isBuilt() {
    return Files.isExecutable(PROGRAM);
  }

  /** Starts it; a test that needs it is skipped where it is not built. */
  static RvagentServer start(String... arguments) {
    assumeTrue(isBuilt(), "rvagent-server is not built: scripts/test --interop does that");
    List<String> command = new ArrayList<>(List.of(PROGRAM.toAbsolutePath().toString()));
    command.addAll(List.of(arguments));
    try {
      Process process =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
      var out = new BufferedReader(process.inputReader(StandardCharsets.UTF_8));
      String[] words = out.readLine().split(" ");
      return new RvagentServer(process, URI.create(words[0]), words[1]);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  URI uri() {
    return uri;
  }

  String agentId() {
    return agentId;
  }

  A2aClient connect() {
    return A2aClient.connect(uri, Trust.pinned(agentId));
  }

  @Override
  public void close() {
    try {
      // It ends with its stdin.
      process.getOutputStream().close();
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
