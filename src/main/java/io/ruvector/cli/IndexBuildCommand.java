package io.ruvector.cli;

import io.ruvector.RuVector;
import io.ruvector.index.IndexKind;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.IndexWriter;
import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "build",
    description = "Build an index of a file of vectors or of texts, and save it.",
    footer = {
      "",
      "Examples:",
      "  ruvector index build --index plus --input base.f32 --dim 128 -o base.rvx",
      "  ruvector index build --index plus --text lines.txt -o lines.rvx"
    })
@SuppressWarnings("NullAway.Init")
final class IndexBuildCommand implements Callable<Integer> {
  @Mixin private final KindMixin kind = new KindMixin();
  @Mixin private final InputMixin input = new InputMixin();

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "The seed of the rotation; by default 42.")
  private @Nullable Long seed;

  @Option(
      names = "--epsilon",
      paramLabel = "X",
      description = "The searches' default multiplier of the error bounds; by default 1.9.")
  private @Nullable Float epsilon;

  @Option(
      names = "--rerank-factor",
      paramLabel = "N",
      description = "The searches' default cap of exact comparisons, times k; by default 20.")
  private @Nullable Integer rerankFactor;

  @Option(names = "--threads", paramLabel = "N", description = "By default all cores, up to 8.")
  private @Nullable Integer threads;

  @Option(
      names = "--max-memory",
      paramLabel = "SIZE",
      converter = SizeConverter.class,
      description =
          "Memory that the build may take, as in 512M or 1G: rows are read from the file again and "
              + "again, and the index goes straight to its file.")
  private @Nullable Long maxMemory;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE",
      description = "Where the index is saved.")
  private Path file;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    if (threads != null) {
      RuVector.configure(threads);
    }
    IndexOptions options = kind.options();
    options = seed == null ? options : options.seed(seed);
    options = epsilon == null ? options : options.epsilon(epsilon);
    options = rerankFactor == null ? options : options.rerankFactor(rerankFactor);
    DataFile.checkTarget(file);
    InputMixin.Input rows = input.read(null, output);
    try (VectorIndex index = saved(rows, options)) {
      Report report = output.report();
      report.add("index", IndexInfoRow.of(file, index));
      report.finish();
    }
    return ExitCode.OK;
  }

  private VectorIndex saved(InputMixin.Input rows, IndexOptions options) {
    String work = "indexing %d vectors".formatted(rows.vectors().rows());
    Long limit = maxMemory;
    if (limit != null) {
      IndexKind own = kind.name().kind();
      output.during(
          work, () -> IndexWriter.buildTo(file, own, rows.vectors(), rows.ids(), options, limit));
      return VectorIndex.open(file);
    }
    VectorIndex index =
        output.during(work, () -> kind.name().build(rows.vectors(), rows.ids(), options));
    try {
      output.during("saving " + file, () -> index.save(file));
    } catch (RuntimeException e) {
      index.close();
      throw e;
    }
    return index;
  }
}
