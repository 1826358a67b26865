package io.ruvector.cli;

import io.ruvector.index.IdFilter;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.TuneRequest;
import io.ruvector.index.Tuning;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "tune",
    description = {
      "Find the cheapest settings of searches that reach a recall, by measuring.",
      "",
      "Half of the queries choose the settings, the others judge them: what is printed is measured "
          + "on those, one query a call on one thread, with the 95%% interval of the recall. If it "
          + "is less than asked for, the exit code is 3."
    },
    footer = {
      "",
      "Example:",
      "  ruvector tune --index-file base.rvx --queries query.fvecs --recall 0.95"
    })
@SuppressWarnings("NullAway.Init")
final class TuneCommand implements Callable<Integer> {
  @Option(
      names = "--index-file",
      required = true,
      paramLabel = "FILE",
      description = "The saved index.")
  private Path file;

  @Option(
      names = "--queries",
      required = true,
      paramLabel = "FILE",
      description = "40 queries or more: .fvecs, .npy, .csv, or raw 32-bit floats.")
  private Path queryFile;

  @Option(
      names = "--recall",
      defaultValue = "0.95",
      paramLabel = "R",
      description = "The part of the true k nearest to find; by default ${DEFAULT-VALUE}.")
  private double recall;

  @Option(
      names = {"-k", "--k"},
      defaultValue = "10",
      paramLabel = "K",
      description = "Hits for each query; by default ${DEFAULT-VALUE}.")
  private int k;

  @Option(
      names = "--truth",
      paramLabel = "FILE",
      description =
          "The ids of the true neighbours, nearest first: .ivecs, .npy, or raw 32-bit integers. "
              + "An index without originals needs them.")
  private @Nullable Path truthFile;

  @Option(
      names = "--truth-k",
      defaultValue = "100",
      paramLabel = "K",
      description = "True neighbours of each query in the file; by default ${DEFAULT-VALUE}.")
  private int truthK;

  @Option(
      names = "--filter",
      paramLabel = "IDS",
      converter = IdFilterConverter.class,
      description = "For searches among these ids only, such as 0..1000,5000 (ends included).")
  private @Nullable IdFilter filter;

  @Option(
      names = "--max-seconds",
      defaultValue = "60",
      paramLabel = "S",
      description = "The time to take at most; by default ${DEFAULT-VALUE}.")
  private double maxSeconds;

  @Option(names = "--curve", description = "Print all settings that were tried, too.")
  private boolean curve;

  @Mixin private final OpenMixin opening = new OpenMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    SearchRequest template = SearchRequest.template().k(k);
    template = filter == null ? template : template.filter(filter);
    try (VectorIndex index = opening.open(file)) {
      Vectors queries = DataFile.queries(queryFile, index.info().dim(), output);
      TuneRequest request =
          TuneRequest.of(queries, recall)
              .template(template)
              .maxDuration(Duration.ofNanos((long) (maxSeconds * 1e9)));
      if (truthFile != null) {
        int[] ids = DataFile.truth(truthFile, truthK).rows();
        request = request.truth(Arrays.stream(ids).asLongStream().toArray());
      }
      TuneRequest complete = request;
      Tuning tuning = output.during("measuring", () -> index.tune(complete));
      Report report = output.report();
      report.add("best", row(tuning.best()).put("reached", tuning.reached()));
      if (curve) {
        tuning.curve().forEach(point -> report.add("curve", row(point)));
      }
      report.finish();
      if (!tuning.reached()) {
        output.say("ruvector: the recall of %s was not reached".formatted(recall));
      }
      return tuning.reached() ? ExitCode.OK : ExitCode.NOT_FOUND;
    }
  }

  private static Row row(Tuning.Point point) {
    return new Row()
        .put("epsilon", point.epsilon())
        .put("nprobe", point.nprobe() == 0 ? null : point.nprobe())
        .put("rerank_factor", point.rerankFactor())
        .put("recall", point.recall(), 5)
        .put("recall_low", point.recallLow(), 5)
        .put("recall_high", point.recallHigh(), 5)
        .put("qps", point.qps(), 1)
        .put("p50_us", point.p50().toNanos() / 1e3, 1)
        .put("p99_us", point.p99().toNanos() / 1e3, 1)
        .put("queries", point.queries());
  }
}
