package io.ruvector.cli;

import io.ruvector.lake.FsBackend;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
    name = "add",
    description = {
      "Write vectors into a folder as a collection.",
      "",
      "The file NAME.ruvec1 is written whole or not at all, in place of an older one: whoever "
          + "searches the folder finds the old rows or the new ones."
    },
    footer = {"", "Example:", "  ruvector lake add vectors/ words --input words.npy"})
@SuppressWarnings("NullAway.Init")
final class LakeAddCommand implements Callable<Integer> {
  @Parameters(
      index = "0",
      paramLabel = "FOLDER",
      description = "The folder, which is made where there is none.")
  private Path folder;

  @Parameters(index = "1", paramLabel = "NAME", description = "The name of the collection.")
  private String name;

  @Mixin private final InputMixin inputs = new InputMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    InputMixin.Input input;
    try (FsBackend files = FsBackend.open(FolderLake.BACKEND, folder)) {
      input = inputs.read(null, output);
      output.during("writing " + name, () -> files.write(name, input.vectors(), input.ids()));
    }
    Report report = output.report();
    report.add(
        "collections",
        new Row()
            .put("collection", name)
            .put("rows", input.vectors().rows())
            .put("dim", input.vectors().dim()));
    report.finish();
    return ExitCode.OK;
  }
}
