package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class RuvectorCommandTest {
  @Test
  void completionScriptIsCurrent() throws IOException {
    Path committed = Path.of("src/cli/completion/ruvector_completion");
    assertEquals(
        Files.readString(committed),
        Cli.run("completion").data(),
        "make it anew: scripts/ruvector completion >" + committed);
  }

  @Test
  void version() {
    assertTrue(Cli.run("--version").data().startsWith("ruvector "));
  }

  @Test
  void everyCommandHasHelpWithTheExitCodes() {
    help(Main.commandLine());
    assertTrue(Cli.run("help", "search").data().contains("--index-file"));
  }

  private static void help(CommandLine command) {
    if (!command.getCommandName().equals("help")) {
      String usage = command.getUsageMessage();
      assertTrue(usage.contains("Something asked for was not found"), usage);
      assertTrue(usage.contains("--verbose"), usage);
    }
    command.getSubcommands().values().forEach(RuvectorCommandTest::help);
  }

  @Test
  void commandsAreNeeded() {
    assertEquals(ExitCode.USAGE, Cli.run().exitCode());
    assertEquals(ExitCode.USAGE, Cli.run("index").exitCode());
    String failure = Cli.run("index", "buld").failure(2);
    assertTrue(failure.contains("'buld'"), failure);
  }

  @Test
  void recommends() {
    String line =
        Cli.run("recommend", "--rows", 300_000, "--dim", 100, "--format", "jsonl").lines().get(0);
    assertTrue(line.startsWith("{\"index\":\"ivf\",\"bits\":4,\"nlist\":0,\"nprobe\":"), line);
    assertTrue(line.contains("\"row_bytes\":"), line);
    String exact = Cli.run("recommend", "--rows", 300_000, "--dim", 100, "--recall", 1).data();
    assertTrue(exact.contains("flat"), exact);
    Cli.run("recommend", "--rows", 10, "--dim", 3, "--recall", 0).failure(2);
    Cli.run("recommend", "--rows", 10, "--dim", 0).failure(2);
  }

  @Test
  void doctorFindsNothingWrong() {
    Cli.Run run = Cli.run("doctor", "--format", "csv");
    assertEquals(ExitCode.OK, run.exitCode(), run.out());
    assertEquals(1 + 6, run.out().lines().count());
    assertTrue(run.out().contains("native library,ok,"), run.out());
  }
}
