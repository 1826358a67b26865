package io.ruvector.cli;

import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(name = "info", description = "Show what saved indexes are and hold.")
final class IndexInfoCommand implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "FILE", description = "Saved indexes.")
  private List<Path> files = List.of();

  @Mixin private final OpenMixin opening = new OpenMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    Report report = output.report();
    for (Path file : files) {
      try (VectorIndex index = opening.open(file)) {
        report.add("index", IndexInfoRow.of(file, index));
      }
    }
    report.finish();
    return ExitCode.OK;
  }
}
