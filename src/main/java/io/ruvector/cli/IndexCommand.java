package io.ruvector.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "index",
    description = "Build saved indexes, look into them and change them.",
    subcommands = {
      IndexBuildCommand.class,
      IndexInfoCommand.class,
      IndexVerifyCommand.class,
      IndexAddCommand.class,
      IndexRemoveCommand.class,
      IndexMergeCommand.class,
      IndexExportCommand.class,
      IndexImportCommand.class
    })
final class IndexCommand {
  @Mixin final HelpMixin help = new HelpMixin();
}
