package io.ruvector.cli;

import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "remove",
    description = {
      "Remove vectors from a saved index.",
      "",
      "Ids that are not in it are passed over, and the exit code is then 3."
    })
@SuppressWarnings("NullAway.Init")
final class IndexRemoveCommand implements Callable<Integer> {
  @Parameters(index = "0", paramLabel = "INDEX", description = "The saved index.")
  private Path file;

  @Parameters(index = "1..*", arity = "0..*", paramLabel = "ID", description = "Ids to remove.")
  private List<Long> given = List.of();

  @Option(
      names = "--ids",
      paramLabel = "FILE",
      description = "Ids to remove: one on each line, or .npy of 64-bit integers.")
  private @Nullable Path idFile;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = "Save to another file, in place of the index's own.")
  private @Nullable Path target;

  @Mixin private final OpenMixin opening = new OpenMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    long[] more = idFile == null ? new long[0] : DataFile.ids(idFile);
    long[] ids =
        LongStream.concat(given.stream().mapToLong(id -> id), Arrays.stream(more))
            .distinct()
            .toArray();
    if (ids.length == 0) {
      throw CliException.usage("no ids to remove: give them, or a file of them with --ids");
    }
    long removed;
    try (VectorIndex index = opening.open(file)) {
      removed = index.remove(ids);
      index.save(target != null ? target : file);
      Report report = output.report();
      report.add(
          "change",
          new Row()
              .put("file", (target != null ? target : file).toString())
              .put("removed", removed)
              .put("not_found", ids.length - removed)
              .put("rows", index.size()));
      report.finish();
    }
    return removed == ids.length ? ExitCode.OK : ExitCode.NOT_FOUND;
  }
}
