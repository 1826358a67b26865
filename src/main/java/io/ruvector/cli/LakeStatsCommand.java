package io.ruvector.cli;

import io.ruvector.lake.CacheStats;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "stats",
    description = {
      "Load what is saved of collections, and print what the cache counted.",
      "",
      "The last row, without a collection, is the total."
    })
final class LakeStatsCommand implements Callable<Integer> {
  @Mixin private final LakeMixin lakes = new LakeMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() {
    try (FolderLake folder = lakes.open()) {
      folder.targets().forEach(target -> folder.warm(target, output));
      CacheStats stats = folder.lake().cacheStats();
      Report report = output.report();
      stats
          .byCollection()
          .forEach((target, counts) -> report.add("stats", row(target.collection(), counts)));
      report.add("stats", row(null, stats.total()));
      report.finish();
    }
    return ExitCode.OK;
  }

  private static Row row(@Nullable String collection, CacheStats.Counts counts) {
    return new Row()
        .put("collection", collection)
        .put("hits", counts.hits())
        .put("misses", counts.misses())
        .put("primes", counts.primes())
        .put("refreshes", counts.refreshes())
        .put("invalidations", counts.invalidations())
        .put("shared_hits", counts.sharedHits())
        .put("warm_installs", counts.warmInstalls())
        .put("stale", counts.stale())
        .put("pushed_down", counts.pushedDown())
        .put("prime_seconds", counts.primeTime().toNanos() / 1e9, 3)
        .put("last_prime_seconds", counts.lastPrime().toNanos() / 1e9, 3)
        .put("entries", counts.entries())
        .put("bytes", counts.bytes());
  }
}
