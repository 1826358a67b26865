package io.ruvector.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A folder of collections, and which of them. */
@SuppressWarnings("NullAway.Init")
final class LakeMixin {
  @Parameters(paramLabel = "FOLDER", description = "The folder of NAME.ruvec1 files.")
  private Path folder;

  @Option(
      names = {"-c", "--collection"},
      paramLabel = "NAME",
      description = "One of the collections; may be repeated. By default all of the folder.")
  private final List<String> collections = new ArrayList<>();

  Path folder() {
    return folder;
  }

  FolderLake open() {
    return FolderLake.open(folder, collections);
  }
}
