package io.ruvector.cli;

import io.ruvector.a2a.A2aClient;
import io.ruvector.a2a.A2aOptions;
import io.ruvector.a2a.Message;
import io.ruvector.a2a.Task;
import io.ruvector.a2a.TaskState;
import java.net.URI;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** An agent, and how to be sure of it. */
@SuppressWarnings("NullAway.Init")
final class AgentMixin {
  @Parameters(index = "0", paramLabel = "URL", description = "Where the agent is.")
  private URI url;

  @Option(
      names = "--trust",
      required = true,
      paramLabel = "TRUST",
      converter = TrustConverter.class,
      description = {
        "Whose card is taken: an agent's id, as 'a2a card' prints it; FILE.json, a set of keys (RFC"
            + " 7517), which agents of the standard need; first-use=FILE, whoever was met first,"
            + " remembered in FILE; any-signed, anybody whose card nobody has changed since; or "
            + "insecure."
      })
  private TrustConverter.Named trust;

  @Option(
      names = "--token-env",
      paramLabel = "NAME",
      description = "The environment variable with a bearer token for the agent.")
  private @Nullable String tokenVariable;

  A2aClient connect() {
    A2aOptions options = A2aOptions.defaults();
    if (tokenVariable != null) {
      String token = System.getenv(tokenVariable);
      if (token == null) {
        throw CliException.usage("--token-env: %s is not set".formatted(tokenVariable));
      }
      options = options.bearerToken(token);
    }
    return A2aClient.connect(url, trust.trust(), options);
  }

  static void print(Task task, OutputMixin output) {
    Message message = task.status().message();
    String said = message == null ? null : message.text();
    Report report = output.report();
    report.add(
        "task",
        new Row()
            .put("task", task.id())
            .put("state", name(task.state()))
            .put("text", task.text())
            .put("message", said));
    report.finish();
  }

  static String name(TaskState state) {
    return state.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** What a task's end makes of the command's. */
  static int exitCode(TaskState state) {
    return state.isFinal() && state != TaskState.COMPLETED ? ExitCode.DATA : ExitCode.OK;
  }
}
