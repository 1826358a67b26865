package io.ruvector.cli;

import io.ruvector.a2a.A2aClient;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
    name = "get",
    description = {
      "Show how a task stands.",
      "",
      "The exit code is 3 where the agent does not know it; rvagent's servers know none that still "
          + "runs."
    })
@SuppressWarnings("NullAway.Init")
final class A2aGetCommand implements Callable<Integer> {
  @Mixin private final AgentMixin agents = new AgentMixin();

  @Parameters(index = "1", paramLabel = "TASK", description = "The task's id.")
  private String task;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() {
    try (A2aClient agent = agents.connect()) {
      AgentMixin.print(agent.get(task), output);
      return ExitCode.OK;
    }
  }
}
