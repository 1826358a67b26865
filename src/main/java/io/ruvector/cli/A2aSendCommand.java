package io.ruvector.cli;

import io.ruvector.a2a.A2aClient;
import io.ruvector.a2a.Task;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "send",
    description = {
      "Give an agent a task, and wait until it is done.",
      "",
      "The exit code is 1 where the task fails."
    },
    footer = {"", "Example:", "  ruvector a2a send https://peer.example echo hello --trust ID"})
final class A2aSendCommand implements Callable<Integer> {
  @Mixin private final TaskMixin tasks = new TaskMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() {
    try (A2aClient agent = tasks.connect()) {
      Task task = output.during("waiting", () -> agent.send(tasks.spec()));
      AgentMixin.print(task, output);
      return AgentMixin.exitCode(task.state());
    }
  }
}
