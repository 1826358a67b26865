package io.ruvector.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** What every command has: its help, and the exit codes at the end of it. */
@Command(
    sortOptions = false,
    usageHelpAutoWidth = true,
    abbreviateSynopsis = true,
    parameterListHeading = "%n",
    optionListHeading = "%n",
    commandListHeading = "%nCommands:%n",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:Done.",
      "1:A file or its data is not what it should be, or something is wrong with the installation.",
      "2:Wrong usage.",
      "3:Something asked for was not found, or a verification failed.",
      "4:A fault of this program."
    })
final class HelpMixin {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      order = 1_000,
      description = "Show this help and exit.")
  boolean help;

  @Option(names = "--verbose", order = 1_001, description = "Show the stack trace of an error.")
  boolean verbose;
}
