package io.ruvector.cli;

import io.ruvector.index.Hit;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import io.ruvector.lake.FederatedHit;
import io.ruvector.lake.FederatedRequest;
import io.ruvector.lake.FederatedResult;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "search",
    description = {
      "Search collections for the vectors nearest to queries.",
      "",
      "Begins from what is saved, and reads the files that changed since. Where a collection "
          + "fails, the hits are those of the others, and the exit code is 1."
    },
    footer = {"", "Example:", "  ruvector lake search vectors/ --query \"0.1,0.7,0.2\" -k 5"})
final class LakeSearchCommand implements Callable<Integer> {
  @Mixin private final LakeMixin lakes = new LakeMixin();
  @Mixin private final QueryMixin queries = new QueryMixin();

  @Option(
      names = "--dim",
      paramLabel = "D",
      description = "Components of each query; needed where the file does not tell.")
  private @Nullable Integer dim;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  private final Set<Target> failed = new HashSet<>();

  @Override
  public Integer call() throws IOException {
    SearchRequest template = queries.template();
    try (FolderLake folder = lakes.open()) {
      if (folder.targets().isEmpty()) {
        throw CliException.notFound("%s: no collections in it".formatted(lakes.folder()));
      }
      Vectors rows = queries.read(dim, output);
      folder.targets().forEach(target -> folder.warm(target, output));
      Report report = output.report();
      try (Progress progress = output.progress("searching", rows.rows())) {
        for (long query = 0; query < rows.rows(); query++) {
          int rank = 0;
          for (FederatedHit hit : hits(folder, template.query(rows.row(query)))) {
            rank++;
            report.add(
                "hits",
                new Row()
                    .put("query", query)
                    .put("rank", rank)
                    .put("collection", hit.target().collection())
                    .put("id", hit.id())
                    .put("score", hit.score()));
          }
          progress.step(1);
        }
      }
      report.finish();
    }
    return failed.isEmpty() ? ExitCode.OK : ExitCode.DATA;
  }

  private List<FederatedHit> hits(FolderLake folder, SearchRequest request) {
    RuLake lake = folder.lake();
    List<Target> targets = folder.targets();
    if (targets.size() == 1) {
      List<FederatedHit> hits = new ArrayList<>();
      for (Hit hit : lake.search(targets.getFirst(), request)) {
        hits.add(new FederatedHit(targets.getFirst(), hit.id(), hit.score()));
      }
      return hits;
    }
    FederatedResult result = lake.searchFederated(FederatedRequest.of(request, targets));
    for (Target target : targets) {
      Throwable failure = result.failures().get(target);
      if (failure != null && failed.add(target)) {
        FolderLake.say(output, target, String.valueOf(failure.getMessage()));
      }
    }
    return result.hits();
  }
}
