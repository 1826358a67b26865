package io.ruvector.cli;

import io.ruvector.RuVectorException;
import io.ruvector.lake.Refresh;
import io.ruvector.lake.Target;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "refresh",
    description = {
      "Compare what is saved of collections with published sidecars, without reading these.",
      "",
      "Each result is one of: up to date, invalidated (the saved cache is out of date: "
          + "'ruvector lake warm' renews it), nothing saved, bundle missing, refused. The last two "
          + "make the exit code 3."
    })
final class LakeRefreshCommand implements Callable<Integer> {
  @Mixin private final LakeMixin lakes = new LakeMixin();

  @Option(
      names = "--from",
      paramLabel = "DIR",
      description = "The folder that was published to; by default that of the collections.")
  private @Nullable Path from;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  private boolean wanting;

  @Override
  public Integer call() {
    try (FolderLake folder = lakes.open()) {
      int exitCode = folder.each("comparing", output, target -> refresh(folder, target));
      return wanting ? ExitCode.NOT_FOUND : exitCode;
    }
  }

  private Row refresh(FolderLake folder, Target target) {
    String result;
    try {
      boolean saved = FolderLake.isSaved(folder.saved(target));
      if (saved) {
        folder.lake().warmFromDir(target, folder.saved(target));
      }
      Path dir = FolderLake.dir(from == null ? lakes.folder() : from, target);
      Refresh found = folder.lake().refreshFromBundleDir(target, dir);
      if (found == Refresh.INVALIDATED) {
        FolderLake.say(output, target, "the saved cache is out of date");
      }
      wanting |= found == Refresh.BUNDLE_MISSING;
      result =
          found == Refresh.UP_TO_DATE && !saved
              ? "nothing saved"
              : found.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    } catch (RuVectorException e) {
      FolderLake.say(output, target, FolderLake.reason(e));
      wanting = true;
      result = "refused";
    }
    return new Row().put("collection", target.collection()).put("result", result);
  }
}
