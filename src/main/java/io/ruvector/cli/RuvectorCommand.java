package io.ruvector.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "ruvector",
    description = "Vector search by RaBitQ codes.",
    versionProvider = VersionProvider.class,
    subcommands = {
      DemoCommand.class,
      IndexCommand.class,
      SearchCommand.class,
      EmbedCommand.class,
      LakeCommand.class,
      A2aCommand.class,
      TuneCommand.class,
      RecommendCommand.class,
      BenchCommand.class,
      DoctorCommand.class,
      CompletionCommand.class,
      HelpCommand.class
    },
    footer = {"", "Begin with 'ruvector demo', or with 'ruvector index build --help'."})
final class RuvectorCommand {
  @Mixin final HelpMixin help = new HelpMixin();

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      order = 1_002,
      description = "Show the version and exit.")
  boolean version;
}
