package io.ruvector.cli;

import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "add",
    description = "Add vectors to a saved index: all of them, or none where one cannot be added.")
@SuppressWarnings("NullAway.Init")
final class IndexAddCommand implements Callable<Integer> {
  @Parameters(paramLabel = "INDEX", description = "The saved index.")
  private Path file;

  @Mixin private final InputMixin input = new InputMixin();

  @Option(names = "--upsert", description = "Replace vectors whose ids are in the index.")
  private boolean upsert;

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
    if (!input.hasIds()) {
      throw CliException.usage("one of --ids, --id-column and --first-id is needed");
    }
    Path saved = target != null ? target : file;
    try (VectorIndex index = opening.open(file)) {
      DataFile.checkTarget(saved);
      InputMixin.Input rows = input.read(index.info().dim(), output);
      long replaced = output.during("adding", () -> add(index, rows));
      output.during("saving " + saved, () -> index.save(saved));
      Report report = output.report();
      report.add(
          "change",
          new Row()
              .put("file", saved.toString())
              .put("added", rows.vectors().rows() - replaced)
              .put("replaced", replaced)
              .put("rows", index.size()));
      report.finish();
    }
    return ExitCode.OK;
  }

  /** How many vectors were replaced. */
  private long add(VectorIndex index, InputMixin.Input rows) {
    if (upsert) {
      return index.upsertAll(rows.vectors(), rows.ids());
    }
    index.addAll(rows.vectors(), rows.ids());
    return 0;
  }
}
