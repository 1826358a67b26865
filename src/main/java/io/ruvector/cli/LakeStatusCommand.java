package io.ruvector.cli;

import io.ruvector.RuVectorException;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "status",
    description = {
      "Verify what is saved of collections, without reading these.",
      "",
      "If a saved cache is refused, the exit code is 3."
    })
final class LakeStatusCommand implements Callable<Integer> {
  @Mixin private final LakeMixin lakes = new LakeMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  private boolean refused;

  @Override
  public Integer call() {
    try (FolderLake folder = lakes.open()) {
      int exitCode = folder.each("verifying", output, target -> status(folder, target));
      return refused ? ExitCode.NOT_FOUND : exitCode;
    }
  }

  private Row status(FolderLake folder, Target target) {
    RuLake lake = folder.lake();
    boolean saved = FolderLake.isSaved(folder.saved(target));
    @Nullable Long rows = null;
    @Nullable String problem = null;
    if (saved) {
      try {
        rows = lake.warmFromDir(target, folder.saved(target));
      } catch (RuVectorException e) {
        problem = FolderLake.reason(e);
        refused = true;
      }
    }
    return new Row()
        .put("collection", target.collection())
        .put("saved", saved)
        .put("rows", rows)
        .put("witness", lake.cacheWitnessOf(target).orElse(null))
        .put("problem", problem);
  }
}
