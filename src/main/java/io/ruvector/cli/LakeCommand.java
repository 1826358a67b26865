package io.ruvector.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "lake",
    description = {
      "Search a folder of collections through saved caches, and keep these current.",
      "",
      "Each file NAME.ruvec1 of the folder is the collection NAME. What is saved of it lies in "
          + "NAME.lake beside it: its index, and a sidecar with the witness of its state."
    },
    subcommands = {
      LakeAddCommand.class,
      LakeStatusCommand.class,
      LakeWarmCommand.class,
      LakeSearchCommand.class,
      LakePublishCommand.class,
      LakeRefreshCommand.class,
      LakeStatsCommand.class
    })
final class LakeCommand {
  @Mixin final HelpMixin help = new HelpMixin();
}
