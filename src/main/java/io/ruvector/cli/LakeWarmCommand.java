package io.ruvector.cli;

import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "warm",
    description = {
      "Make saved caches current: reads the files that changed since, and saves their indexes.",
      "",
      "Whoever searches the folder then begins from what is saved."
    })
final class LakeWarmCommand implements Callable<Integer> {
  @Mixin private final LakeMixin lakes = new LakeMixin();
  @Mixin private final SigningMixin signing = new SigningMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() {
    PrivateKey key = signing.key();
    try (FolderLake folder = lakes.open(key)) {
      return folder.each("warming", output, target -> warm(folder, target, key != null));
    }
  }

  private Row warm(FolderLake folder, Target target, boolean signed) {
    long began = System.nanoTime();
    RuLake lake = folder.lake();
    Path dir = folder.saved(target);
    boolean wasSaved = folder.warm(target, output);
    // Compares the file with what is cached, and pulls it if it is another.
    lake.publishBundle(target, dir);
    boolean pulled = folder.hasPulled(target);
    if (pulled || signed || !wasSaved) {
      lake.saveCacheToDir(target, dir);
    }
    return new Row()
        .put("collection", target.collection())
        .put("pulled", pulled)
        .put("seconds", (System.nanoTime() - began) / 1e9, 3)
        .put("witness", lake.cacheWitnessOf(target).orElse(null));
  }
}
