package io.ruvector.cli;

import io.ruvector.index.IdVector;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexInfo;
import io.ruvector.index.KeepsOriginals;
import io.ruvector.index.Originals;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "merge",
    description = {
      "Merge saved indexes into one, with the options of the first.",
      "",
      "The others must keep their originals."
    })
@SuppressWarnings("NullAway.Init")
final class IndexMergeCommand implements Callable<Integer> {
  private static final int BATCH = 8_192;

  @Parameters(arity = "2..*", paramLabel = "FILE", description = "Saved indexes.")
  private List<Path> files = List.of();

  @Option(
      names = "--upsert",
      description = "Where an id is in several indexes, the last one's vector stays.")
  private boolean upsert;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE",
      description = "Where the merged index is saved.")
  private Path target;

  @Mixin private final OpenMixin opening = new OpenMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    try (VectorIndex merged = opening.open(files.get(0))) {
      for (Path file : files.subList(1, files.size())) {
        try (VectorIndex other = opening.open(file)) {
          add(file, other, merged);
        }
      }
      merged.save(target);
      Report report = output.report();
      report.add("index", IndexInfoRow.of(target, merged));
      report.finish();
    }
    return ExitCode.OK;
  }

  private void add(Path file, VectorIndex other, VectorIndex merged) {
    IndexInfo from = other.info();
    IndexInfo to = merged.info();
    if (from.metric() != to.metric() || from.dim() != to.dim()) {
      throw CliException.data(
          "%s has the metric %s and dimension %d, and %s has %s and %d"
              .formatted(
                  file,
                  MetricName.of(from.metric()),
                  from.dim(),
                  files.get(0),
                  MetricName.of(to.metric()),
                  to.dim()));
    }
    if (!(other instanceof KeepsOriginals keeper) || from.originals() == Originals.NONE) {
      throw CliException.data(
          "%s keeps no originals, so its vectors cannot be added to another index".formatted(file));
    }
    try (Progress progress = output.progress("adding " + file, from.size());
        Stream<IdVector> rows = keeper.originals()) {
      Iterator<IdVector> iterator = rows.iterator();
      while (iterator.hasNext()) {
        progress.step(addBatch(iterator, merged, to.dim()));
      }
    }
  }

  private int addBatch(Iterator<IdVector> rows, VectorIndex merged, int dim) {
    try (var buffer = VectorBuffer.allocate(BATCH, dim)) {
      long[] ids = new long[BATCH];
      int count = 0;
      while (count < BATCH && rows.hasNext()) {
        IdVector row = rows.next();
        buffer.put(count, row.vector());
        ids[count++] = row.id();
      }
      Vectors vectors = Vectors.of(buffer.segment(), count, dim, (long) dim * Float.BYTES);
      Ids batch = Ids.of(Arrays.copyOf(ids, count));
      if (upsert) {
        merged.upsertAll(vectors, batch);
      } else {
        merged.addAll(vectors, batch);
      }
      return count;
    }
  }
}
