package io.ruvector.cli;

import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "import", description = "Make a saved index of an .rbpx file.")
@SuppressWarnings("NullAway.Init")
final class IndexImportCommand implements Callable<Integer> {
  @Parameters(paramLabel = "FILE", description = "The .rbpx file.")
  private Path file;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE",
      description = "Where the index is saved.")
  private Path target;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    try (VectorIndex index = VectorIndex.importRbpx(file)) {
      index.save(target);
      Report report = output.report();
      report.add("index", IndexInfoRow.of(target, index));
      report.finish();
    }
    return ExitCode.OK;
  }
}
