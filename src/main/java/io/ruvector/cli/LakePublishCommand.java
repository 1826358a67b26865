package io.ruvector.cli;

import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "publish",
    description = {
      "Write sidecars that tell other processes of the state of collections.",
      "",
      "Each is DIR/NAME.lake/table.rulake.json: small, with a witness of what it says. They are "
          + "what 'ruvector lake refresh' reads."
    })
final class LakePublishCommand implements Callable<Integer> {
  @Mixin private final LakeMixin lakes = new LakeMixin();

  @Option(
      names = "--to",
      paramLabel = "DIR",
      description = "The folder to write to; by default that of the collections.")
  private @Nullable Path to;

  @Mixin private final SigningMixin signing = new SigningMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() {
    PrivateKey key = signing.key();
    try (FolderLake folder = lakes.open(key)) {
      return folder.each("publishing", output, target -> publish(folder, target, key != null));
    }
  }

  private Row publish(FolderLake folder, Target target, boolean signed) {
    RuLake lake = folder.lake();
    Path dir = FolderLake.dir(to == null ? lakes.folder() : to, target);
    folder.warm(target, output);
    lake.publishBundle(target, dir);
    if ((signed || folder.hasPulled(target)) && FolderLake.isSaved(dir)) {
      // An older index would not be that of the new sidecar, and one that is signed is to cover it.
      lake.saveCacheToDir(target, dir);
    }
    return new Row()
        .put("collection", target.collection())
        .put("witness", lake.cacheWitnessOf(target).orElse(null));
  }
}
