package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import picocli.CommandLine;

/** Runs the command line inside the test. */
final class Cli {
  private Cli() {}

  /** What a run left behind. */
  record Run(int exitCode, String out, String err) {
    /** The data of a run that went well. */
    String data() {
      assertEquals(ExitCode.OK, exitCode, err);
      return out;
    }

    List<String> lines() {
      return data().lines().toList();
    }

    /** The one line that tells of the failure expected. */
    String failure(int expected) {
      assertEquals(expected, exitCode, err);
      assertEquals(1, err.lines().filter(line -> line.startsWith("ruvector: ")).count(), err);
      return err.lines().findFirst().orElseThrow();
    }
  }

  static Run run(Object... arguments) {
    var out = new StringWriter();
    var err = new StringWriter();
    CommandLine commandLine = Main.commandLine();
    commandLine.setOut(new PrintWriter(out, true));
    commandLine.setErr(new PrintWriter(err, true));
    String[] texts = new String[arguments.length];
    for (int i = 0; i < texts.length; i++) {
      texts[i] = arguments[i].toString();
    }
    int exitCode = commandLine.execute(texts);
    return new Run(exitCode, out.toString(), err.toString());
  }
}
