package io.ruvector.cli;

import io.ruvector.a2a.A2aClient;
import io.ruvector.a2a.TaskPolicy;
import io.ruvector.a2a.TaskSpec;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A task to give, and an agent to give it to. */
@SuppressWarnings("NullAway.Init")
final class TaskMixin {
  @Mixin private final AgentMixin agents = new AgentMixin();

  @Parameters(index = "1", paramLabel = "SKILL", description = "The id of the agent's skill.")
  private String skill;

  @Parameters(index = "2", paramLabel = "TEXT", description = "What to do.")
  private String text;

  @Option(
      names = "--metadata",
      paramLabel = "KEY=VALUE",
      description = "Metadata of the task: a number, true, false or a string; may be repeated.")
  private final Map<String, String> metadata = new LinkedHashMap<>();

  @Option(
      names = "--max-seconds",
      paramLabel = "N",
      description = "Cancel the task when it has taken so long.")
  private @Nullable Double maxSeconds;

  @Option(
      names = "--max-cost-usd",
      paramLabel = "N",
      description = "What the task may cost: told to the agent.")
  private @Nullable Double maxCostUsd;

  A2aClient connect() {
    return agents.connect();
  }

  TaskSpec spec() {
    TaskPolicy policy = TaskPolicy.none();
    if (maxSeconds != null) {
      policy = policy.maxDuration(Duration.ofNanos((long) (maxSeconds * 1e9)));
    }
    if (maxCostUsd != null) {
      policy = policy.maxCostUsd(maxCostUsd);
    }
    Map<String, Object> values = new LinkedHashMap<>();
    metadata.forEach((key, value) -> values.put(key, value(value)));
    return TaskSpec.of(skill, text).metadata(values).policy(policy);
  }

  private static Object value(String text) {
    if (text.equals("true") || text.equals("false")) {
      return Boolean.valueOf(text);
    }
    try {
      return Long.valueOf(text);
    } catch (NumberFormatException e) {
      return text.matches("-?[0-9]+\\.[0-9]+") ? (Object) Double.valueOf(text) : text;
    }
  }
}
