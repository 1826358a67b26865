package io.ruvector.cli;

import io.ruvector.index.PersistException;
import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
    name = "verify",
    description = "Compare every checksum of saved indexes: finds any changed bit.")
final class IndexVerifyCommand implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "FILE", description = "Saved indexes.")
  private List<Path> files = List.of();

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    Report report = output.report();
    int exitCode = ExitCode.OK;
    for (Path file : files) {
      // A file that cannot be read has not been found to be damaged: it fails here.
      FileChannel.open(file, StandardOpenOption.READ).close();
      Row row = new Row().put("file", file.toString());
      try {
        output.during("verifying " + file, () -> VectorIndex.verify(file));
        row.put("ok", true).put("problem", null);
      } catch (PersistException e) {
        row.put("ok", false).put("problem", e.getMessage());
        exitCode = ExitCode.NOT_FOUND;
      }
      report.add("files", row);
    }
    report.finish();
    return exitCode;
  }
}
