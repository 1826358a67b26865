package io.ruvector.cli;

import io.ruvector.index.Hit;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.SearchResult;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "search",
    description = "Search a saved index for the vectors nearest to queries.",
    footer = {
      "",
      "Examples:",
      "  ruvector search --index-file base.rvx --query \"0.1,0.7,0.2\" -k 5",
      "  ruvector search --index-file base.rvx --queries q.fvecs --recall 0.95 --format jsonl",
      "  ruvector search --index-file lines.rvx --text 'a question' --texts lines.txt"
    })
@SuppressWarnings("NullAway.Init")
final class SearchCommand implements Callable<Integer> {
  /** Queries of a batch: enough for all threads, and the first hits come soon. */
  private static final int BATCH = 1_024;

  @Option(
      names = "--index-file",
      required = true,
      paramLabel = "FILE",
      description = "The saved index.")
  private Path file;

  @Mixin private final QueryMixin queries = new QueryMixin();

  @Option(
      names = "--epsilon",
      paramLabel = "X",
      description = "The multiplier of the error bounds, 0 to 16: more finds more, slower.")
  private @Nullable Float epsilon;

  @Option(
      names = "--nprobe",
      paramLabel = "N",
      description = "Cells of an ivf index to look into at most: more find more, slower.")
  private @Nullable Integer nprobe;

  @Option(
      names = "--rerank-factor",
      paramLabel = "N",
      description = "The cap of exact comparisons, times k.")
  private @Nullable Integer rerankFactor;

  @Option(
      names = "--open",
      defaultValue = "mapped",
      paramLabel = "WHERE",
      description =
          "${COMPLETION-CANDIDATES}: where the index is meanwhile; codes: codes in memory, "
              + "originals in the file. By default ${DEFAULT-VALUE}.")
  private OpenModeName mode = OpenModeName.MAPPED;

  @Option(
      names = "--texts",
      paramLabel = "FILE",
      description = "Lines of text: shows the one of each hit, of which the first has the id 0.")
  private @Nullable Path texts;

  @Mixin private final OpenMixin opening = new OpenMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    SearchRequest template = queries.template();
    template = epsilon == null ? template : template.epsilon(epsilon);
    template = rerankFactor == null ? template : template.rerankFactor(rerankFactor);
    template = nprobe == null ? template : template.nprobe(nprobe);
    List<String> lines = texts == null ? null : ModelMixin.lines(texts);
    try (VectorIndex index = opening.open(file, mode.mode())) {
      Vectors rows = queries.read(index.info().dim(), output);
      Report report = output.report();
      try (Progress progress = output.progress("searching", rows.rows())) {
        for (long from = 0; from < rows.rows(); from += BATCH) {
          int count = (int) Math.min(BATCH, rows.rows() - from);
          report(report, from, index, batch(rows, from, count), template, lines);
          progress.step(count);
        }
      }
      report.finish();
    }
    return ExitCode.OK;
  }

  private static Vectors batch(Vectors rows, long from, int count) {
    float[][] batch = new float[count][];
    for (int i = 0; i < count; i++) {
      batch[i] = rows.row(from + i);
    }
    return Vectors.copyOf(batch);
  }

  private static void report(
      Report report,
      long from,
      VectorIndex index,
      Vectors batch,
      SearchRequest template,
      @Nullable List<String> lines) {
    long query = from;
    for (SearchResult result : index.searchBatch(batch, template)) {
      int rank = 0;
      for (Hit hit : result) {
        rank++;
        Row row =
            new Row()
                .put("query", query)
                .put("rank", rank)
                .put("id", hit.id())
                .put("score", hit.score());
        if (lines != null) {
          boolean known = hit.id() >= 0 && hit.id() < lines.size();
          row.put("text", known ? lines.get((int) hit.id()) : null);
        }
        report.add("hits", row);
      }
      query++;
    }
  }
}
