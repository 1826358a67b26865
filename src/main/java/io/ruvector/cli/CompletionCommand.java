package io.ruvector.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "completion",
    description = {
      "Print the completion script for bash and zsh.",
      "",
      "Use it with: source <(ruvector completion)"
    })
@SuppressWarnings("NullAway.Init")
final class CompletionCommand implements Callable<Integer> {
  @Mixin final HelpMixin help = new HelpMixin();

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    spec.commandLine().getOut().print(AutoComplete.bash("ruvector", spec.root().commandLine()));
    spec.commandLine().getOut().flush();
    return ExitCode.OK;
  }
}
