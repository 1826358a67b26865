package io.ruvector.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "a2a",
    description = {
      "Give tasks to other agents, by the A2A protocol.",
      "",
      "Speaks to servers of rvagent and of the standard, versions 1.0 and 0.3. Nothing is sent "
          + "before the agent's card is verified."
    },
    subcommands = {
      A2aCardCommand.class,
      A2aSendCommand.class,
      A2aStreamCommand.class,
      A2aGetCommand.class,
      A2aCancelCommand.class
    })
final class A2aCommand {
  @Mixin final HelpMixin help = new HelpMixin();
}
