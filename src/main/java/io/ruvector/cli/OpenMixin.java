package io.ruvector.cli;

import io.ruvector.index.OpenMode;
import io.ruvector.index.OpenOptions;
import io.ruvector.index.VectorIndex;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** How saved indexes are opened. */
final class OpenMixin {
  @Option(
      names = "--no-verify",
      description = "Open without comparing checksums: at once, whatever the size.")
  private boolean noVerify;

  VectorIndex open(Path file) {
    return open(file, OpenMode.MAPPED);
  }

  VectorIndex open(Path file, OpenMode mode) {
    return VectorIndex.open(file, OpenOptions.of(mode).verify(!noVerify));
  }
}
