package io.ruvector.cli;

import io.ruvector.a2a.A2aClient;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
    name = "cancel",
    description = {
      "Stop a task.",
      "",
      "The exit code is 3 where the agent does not know it; rvagent's servers do not tell."
    })
@SuppressWarnings("NullAway.Init")
final class A2aCancelCommand implements Callable<Integer> {
  @Mixin private final AgentMixin agents = new AgentMixin();

  @Parameters(index = "1", paramLabel = "TASK", description = "The task's id.")
  private String task;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() {
    try (A2aClient agent = agents.connect()) {
      agent.cancel(task);
      output.say("asked to stop: " + task);
      return ExitCode.OK;
    }
  }
}
