package io.ruvector.cli;

import io.ruvector.RuVector;
import io.ruvector.index.FlatF32Index;
import io.ruvector.index.IdFilter;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.Metric;
import io.ruvector.index.Originals;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.SearchResult;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "bench",
    description = {
      "Measure recall and speed against known neighbours, one query a call on one thread.",
      "",
      "The first tenth of the queries warms up, the others are timed in five passes; the median "
          + "counts. qps is by the wall, qps_cpu by the CPU time of the whole process. recall is "
          + "that of the true 10 (--recall-at), also where --k asks for more hits. scanned, estimated and reranked "
          + "are the rows of a search that reached its stages; allowed is the share that a filter let by."
    },
    footer = {
      "",
      "Example:",
      "  ruvector bench --index plus --base base.f32 --queries query.f32 --truth truth.i32 \\",
      "      --dim 128 --sweep 'epsilon=1,1.5,1.9;rerankFactor=20,100' --format jsonl",
      "  ruvector bench --index ivf --nlist 1024 --base base.f32 --queries query.f32 \\",
      "      --truth truth.i32 --dim 128 --sweep nprobe=8,16,32 --format jsonl"
    })
@SuppressWarnings("NullAway.Init")
final class BenchCommand implements Callable<Integer> {
  private static final double WARM_UP_SECONDS = 5;

  /** Rows of the index that is built first, so that loading classes is not timed. */
  private static final int FIRST_BUILD = 256;

  /** The same rows are allowed in each run. */
  private static final long FILTER_SEED = 1;

  @Mixin private final KindMixin kind = new KindMixin();

  @Option(
      names = "--base",
      required = true,
      paramLabel = "FILE",
      description = "The vectors to search: .fvecs, .npy, or raw 32-bit floats.")
  private Path base;

  @Option(
      names = "--queries",
      required = true,
      paramLabel = "FILE",
      description = "The queries, in the same formats.")
  private Path queryFile;

  @Option(
      names = "--truth",
      required = true,
      paramLabel = "FILE",
      description = "The true neighbours, nearest first: .ivecs, .npy, or raw 32-bit integers.")
  private Path truthFile;

  @Option(
      names = "--dim",
      required = true,
      paramLabel = "D",
      description = "Components of each vector.")
  private int dim;

  @Option(
      names = "--truth-k",
      defaultValue = "100",
      paramLabel = "K",
      description = "True neighbours of each query in the file; by default ${DEFAULT-VALUE}.")
  private int truthK;

  @Option(
      names = {"-k", "--k"},
      defaultValue = "10",
      paramLabel = "K",
      description = "Hits to search for; by default ${DEFAULT-VALUE}.")
  private int k;

  @Option(
      names = "--recall-at",
      defaultValue = "10",
      paramLabel = "N",
      description = "The true nearest that recall is of; by default ${DEFAULT-VALUE}.")
  private int recallAt;

  @Option(
      names = "--sweep",
      paramLabel = "KEY=V,V;..",
      converter = Sweep.Converter.class,
      description =
          "Settings to measure: nprobe, rerankFactor and epsilon, or the recall to aim at; several "
              + "keys give all combinations. By default those of the index.")
  private Sweep sweep = Sweep.DEFAULTS;

  @Option(
      names = "--allowed",
      split = ",",
      paramLabel = "SHARE",
      description =
          "Shares of the rows, such as 1,.5,.01, that random filters allow; the true neighbours are "
              + "then the nearest of those. By default 1: no filter.")
  private double[] allowed = {1};

  @Option(
      names = "--threads",
      defaultValue = "1",
      paramLabel = "N",
      description = "Threads of the build; by default ${DEFAULT-VALUE}.")
  private int threads;

  @Option(
      names = "--pass-seconds",
      defaultValue = "${env:BENCH_PASS_SECONDS:-1}",
      paramLabel = "S",
      description =
          "Seconds of each pass; by default BENCH_PASS_SECONDS, or 1. 0: recall and rows alone "
              + "matter.")
  private double passSeconds;

  @Option(
      names = "--tag",
      defaultValue = "",
      paramLabel = "NAME",
      description = "A name for this run, repeated on each line.")
  private String tag = "";

  @Option(
      names = "--plot",
      paramLabel = "FILE",
      description = "Draw recall against queries per second into this .svg file.")
  private @Nullable Path plotFile;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    // Before the work of minutes, not after it.
    if (plotFile != null && !DataFile.ending(plotFile).equals(".svg")) {
      throw CliException.usage("--plot: %s: expected a name that ends in .svg".formatted(plotFile));
    }
    if (recallAt < 1) {
      throw CliException.usage("--recall-at: %d: expected 1 or more".formatted(recallAt));
    }
    for (double share : allowed) {
      if (!(share > 0 && share <= 1)) {
        throw CliException.usage("--allowed: %s: expected more than 0, up to 1".formatted(share));
      }
    }
    RuVector.configure(threads);
    Vectors vectors = DataFile.vectors(base, dim);
    Vectors queryRows = DataFile.vectors(queryFile, dim);
    float[][] queries = rows(queryRows, queryRows.rows());
    DataFile.Truth truth = DataFile.truth(truthFile, truthK);
    if (queries.length == 0 || truth.queries() != queries.length) {
      throw CliException.data(
          "%s has neighbours of %d queries, and %s has %d queries"
              .formatted(truthFile, truth.queries(), queryFile, queries.length));
    }
    for (int row : truth.rows()) {
      if (row < 0 || row >= vectors.rows()) {
        throw CliException.data(
            "%s: row %d, but %s has %d rows".formatted(truthFile, row, base, vectors.rows()));
      }
    }
    Report report = output.report();
    var plot = new Plot(title(vectors));
    List<Filtered> filters = filters(vectors, queries, truth);
    try (VectorIndex index = build(vectors, report)) {
      for (Filtered filtered : filters) {
        for (Sweep.Setting setting : sweep.settings()) {
          report.add("settings", measure(index, queries, filtered, setting, plot));
        }
      }
    }
    report.finish();
    if (plotFile != null) {
      Files.writeString(plotFile, plot.svg());
    }
    return ExitCode.OK;
  }

  /** What a share of the rows is searched by; no filter where all are allowed. */
  private record Filtered(double share, @Nullable IdFilter filter, Recall recall) {
    SearchRequest apply(SearchRequest request) {
      return filter == null ? request : request.filter(filter);
    }
  }

  /** Found exactly before anything is timed. */
  private List<Filtered> filters(Vectors vectors, float[][] queries, DataFile.Truth unfiltered) {
    Metric metric = kind.metric().metric();
    boolean filtered = Arrays.stream(allowed).anyMatch(share -> share < 1);
    try (FlatF32Index exact =
        filtered ? FlatF32Index.build(vectors, IndexOptions.of(metric)) : null) {
      List<Filtered> filters = new ArrayList<>();
      for (double share : allowed) {
        filters.add(
            exact == null || share == 1
                ? new Filtered(share, null, recall(vectors, queries, unfiltered))
                : filter(share, exact, vectors, queries));
      }
      return filters;
    }
  }

  private Recall recall(Vectors vectors, float[][] queries, DataFile.Truth truth) {
    return new Recall(vectors, queries, truth, kind.metric().metric(), Math.min(k, recallAt));
  }

  private Filtered filter(double share, FlatF32Index exact, Vectors vectors, float[][] queries) {
    int nearest = Math.min(k, recallAt);
    var random = new SplittableRandom(FILTER_SEED);
    long[] ids =
        LongStream.range(0, vectors.rows()).filter(row -> random.nextDouble() < share).toArray();
    if (ids.length < nearest) {
      throw CliException.usage(
          "--allowed: %s: %d rows, expected %d or more".formatted(share, ids.length, nearest));
    }
    IdFilter filter = IdFilter.of(ids);
    int[] rows = new int[queries.length * nearest];
    for (int i = 0; i < queries.length; i++) {
      long[] found = exact.search(SearchRequest.of(queries[i]).k(nearest).filter(filter)).ids();
      for (int j = 0; j < nearest; j++) {
        rows[i * nearest + j] = Math.toIntExact(found[j]);
      }
    }
    var truth = new DataFile.Truth(nearest, rows);
    return new Filtered(share, filter, recall(vectors, queries, truth));
  }

  private String title(Vectors vectors) {
    return "%s%s, %s, %,d rows of %d dimensions, k = %d, one thread"
        .formatted(
            tag.isEmpty() ? "" : tag + ": ", kind.name(), kind.metric(), vectors.rows(), dim, k);
  }

  private static float[][] rows(Vectors vectors, long count) {
    float[][] rows = new float[Math.toIntExact(count)][];
    Arrays.setAll(rows, vectors::row);
    return rows;
  }

  private VectorIndex build(Vectors vectors, Report report) throws IOException {
    // Reading the file is no part of building: all its pages are in memory after this.
    for (long row = 0; row < vectors.rows(); row++) {
      vectors.row(row);
    }
    float[][] few = rows(vectors, Math.min(FIRST_BUILD, vectors.rows()));
    IndexOptions copied = kind.options().originals(Originals.COPY);
    kind.name().build(Vectors.copyOf(few), Ids.from(0), copied).close();
    double cpu = CLibrary.cpuSeconds();
    long start = System.nanoTime();
    VectorIndex index = kind.name().build(vectors, Ids.from(0), kind.options());
    double wall = (System.nanoTime() - start) / 1e9;
    cpu = CLibrary.cpuSeconds() - cpu;
    try {
      report.add(
          "build",
          new Row()
              .put("tag", tag)
              .put("build_s", wall, 3)
              .put("build_cpu_s", cpu, 3)
              .put("bytes_per_vec", (double) savedBytes(index) / vectors.rows(), 1)
              .put("resident_per_vec", (double) index.memoryBytes() / vectors.rows(), 1)
              .put("cpu", RuVector.cpuFeatures()));
      return index;
    } catch (IOException | RuntimeException e) {
      index.close();
      throw e;
    }
  }

  private static long savedBytes(VectorIndex index) throws IOException {
    Path folder = Files.createTempDirectory("ruvector-bench");
    Path file = folder.resolve("saved.rvx");
    try {
      index.save(file);
      return Files.size(file);
    } finally {
      Files.deleteIfExists(file);
      Files.delete(folder);
    }
  }

  private Row measure(
      VectorIndex index, float[][] queries, Filtered filtered, Sweep.Setting setting, Plot plot) {
    SearchRequest[] requests = new SearchRequest[queries.length];
    for (int i = 0; i < requests.length; i++) {
      requests[i] = filtered.apply(setting.apply(SearchRequest.of(queries[i]).k(k)));
    }
    long[] ids = new long[k];
    float[] scores = new float[k];
    var measurement = new Measurement(query -> index.search(requests[query], ids, scores));
    int warm = Math.max(1, queries.length / 10);
    measurement.warmUp(warm, passSeconds > 0 ? WARM_UP_SECONDS : 0);
    double found = 0;
    double scanned = 0;
    double estimated = 0;
    double reranked = 0;
    for (int i = 0; i < queries.length; i++) {
      SearchResult result = index.search(requests[i]);
      found += filtered.recall().of(i, result.ids(), result.size());
      scanned += result.stats().scanned();
      estimated += result.stats().estimated();
      reranked += result.stats().reranked();
    }
    int from = warm < queries.length ? warm : 0;
    Measurement.Speed speed = measurement.run(from, queries.length, passSeconds);
    plot.add(new Plot.Point(setting.toString(), found / queries.length, speed.wall()));
    return new Row()
        .put("tag", tag)
        .put("p", setting.toString())
        .put("allowed", filtered.share(), 4)
        .put("recall", found / queries.length, 5)
        .put("qps", speed.wall(), 1)
        .put("qps_cpu", speed.cpu(), 1)
        .put("p50_us", measurement.micros(.5), 1)
        .put("p99_us", measurement.micros(.99), 1)
        .put("scanned", scanned / queries.length, 1)
        .put("estimated", estimated / queries.length, 1)
        .put("reranked", reranked / queries.length, 1);
  }
}
