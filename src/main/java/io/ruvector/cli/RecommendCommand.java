package io.ruvector.cli;

import io.ruvector.index.Recommendation;
import io.ruvector.index.VectorIndex;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "recommend",
    description = {
      "Recommend the fastest kind of index and parameters that should reach a recall, from a model "
          + "of what was measured on real vectors. An nlist of 0 is chosen by the number of rows."
    },
    footer = {
      "",
      "Example:",
      "  ruvector recommend --rows 1000000 --dim 384 --recall 0.95",
      "",
      "ruvector tune measures your own index with your own queries."
    })
final class RecommendCommand implements Callable<Integer> {
  @Option(names = "--rows", required = true, paramLabel = "N", description = "Rows of the index.")
  private long rows;

  @Option(
      names = "--dim",
      required = true,
      paramLabel = "D",
      description = "Components of each vector.")
  private int dim;

  @Option(
      names = "--recall",
      defaultValue = "0.95",
      paramLabel = "R",
      description = "The part of the true 10 nearest to find; by default ${DEFAULT-VALUE}.")
  private double recall;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() {
    Recommendation found = VectorIndex.recommend(rows, dim, recall);
    Report report = output.report();
    report.add(
        "recommendation",
        new Row()
            .put("index", KindName.of(found.kind()).toString())
            .put("bits", found.bits())
            .put("nlist", found.nlist())
            .put("nprobe", found.nprobe())
            .put("rerank_factor", found.rerankFactor())
            .put("epsilon", found.epsilon())
            .put("expected_recall", found.expectedRecall())
            .put("row_bytes", found.rowBytes()));
    report.finish();
    return ExitCode.OK;
  }
}
