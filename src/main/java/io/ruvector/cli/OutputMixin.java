package io.ruvector.cli;

import java.io.PrintWriter;
import java.util.function.Supplier;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Data to stdout in the format that the user wants, talk to stderr. */
@SuppressWarnings("NullAway.Init")
final class OutputMixin {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Option(
      names = "--format",
      defaultValue = "table",
      order = 999,
      paramLabel = "FORMAT",
      description = "${COMPLETION-CANDIDATES}; by default ${DEFAULT-VALUE}.")
  private Format format = Format.TABLE;

  Report report() {
    return new Report(spec.commandLine().getOut(), format);
  }

  boolean isTable() {
    return format == Format.TABLE;
  }

  PrintWriter out() {
    return spec.commandLine().getOut();
  }

  void say(String message) {
    spec.commandLine().getErr().println(message);
    spec.commandLine().getErr().flush();
  }

  /** Shows that work of unknown length goes on. */
  <T> T during(String work, Supplier<T> action) {
    Progress progress = progress(work, 0);
    try {
      return action.get();
    } finally {
      progress.close();
    }
  }

  void during(String work, Runnable action) {
    during(
        work,
        () -> {
          action.run();
          return work;
        });
  }

  /** Shows that work goes on, where it takes long and stderr is a terminal. */
  Progress progress(String work, long total) {
    return Progress.start(spec.commandLine().getErr(), work, total);
  }
}
