package io.ruvector.cli;

import io.ruvector.index.IdVector;
import io.ruvector.index.IndexInfo;
import io.ruvector.index.KeepsOriginals;
import io.ruvector.index.Originals;
import io.ruvector.index.VectorIndex;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "export",
    description = {
      "Write a saved index to a file of another format.",
      "",
      "The ending of its name tells which: .rbpx, .fvecs, .npy, .f32 or .csv (with a column of "
          + "ids)."
    })
@SuppressWarnings("NullAway.Init")
final class IndexExportCommand implements Callable<Integer> {
  @Parameters(paramLabel = "INDEX", description = "The saved index.")
  private Path file;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE",
      description = "Where to write.")
  private Path target;

  @Option(
      names = "--ids",
      paramLabel = "FILE",
      description = "Where to write the ids too: one on each line, or .npy.")
  private @Nullable Path idFile;

  @Mixin private final OpenMixin opening = new OpenMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    try (VectorIndex index = opening.open(file)) {
      switch (DataFile.ending(target)) {
        case ".rbpx" -> {
          if (idFile != null) {
            throw CliException.usage("--ids is not for .rbpx, which has the ids in it");
          }
          index.exportRbpx(target);
        }
        case ".fvecs", ".npy", ".f32", ".csv" -> exportRows(index);
        case String ending ->
            throw CliException.usage(
                "-o %s: '%s' is not one of .rbpx, .fvecs, .npy, .f32, .csv"
                    .formatted(target, ending));
      }
      Report report = output.report();
      report.add(
          "export",
          new Row()
              .put("file", target.toString())
              .put("rows", index.size())
              .put("bytes", Files.size(target)));
      report.finish();
    }
    return ExitCode.OK;
  }

  private void exportRows(VectorIndex index) throws IOException {
    if (!(index instanceof KeepsOriginals keeper) || index.info().originals() == Originals.NONE) {
      throw CliException.data(
          "%s keeps no originals, so there are no vectors to write".formatted(file));
    }
    VectorWriter.whole(target, rows -> writeRows(index.info(), keeper, rows));
  }

  private void writeRows(IndexInfo info, KeepsOriginals keeper, OutputStream rows)
      throws IOException {
    try (Progress progress = output.progress("writing " + target, info.size());
        OutputStream ids =
            idFile == null
                ? OutputStream.nullOutputStream()
                : new BufferedOutputStream(Files.newOutputStream(idFile));
        Stream<IdVector> originals = keeper.originals()) {
      String format = DataFile.ending(target);
      String idFormat = idFile == null ? "" : DataFile.ending(idFile);
      boolean csv = format.equals(".csv");
      if (csv) {
        rows.write(csvHeader(info.dim()));
      }
      VectorWriter writer = csv ? null : new VectorWriter(rows, format, info.size(), info.dim());
      if (idFormat.equals(".npy")) {
        ids.write(Npy.header("<i8", info.size() + ","));
      }
      ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      for (Iterator<IdVector> all = originals.iterator(); all.hasNext(); ) {
        IdVector row = all.next();
        if (writer == null) {
          rows.write(csvLine(row));
        } else {
          writer.write(row.vector());
        }
        if (idFormat.equals(".npy")) {
          bytes.clear().putLong(row.id());
          ids.write(bytes.array(), 0, Long.BYTES);
        } else {
          ids.write((row.id() + "\n").getBytes(StandardCharsets.US_ASCII));
        }
        progress.step(1);
      }
    }
  }

  private static byte[] csvHeader(int dim) {
    var line = new StringBuilder("id");
    for (int i = 0; i < dim; i++) {
      line.append(",v").append(i);
    }
    return line.append('\n').toString().getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] csvLine(IdVector row) {
    var line = new StringBuilder().append(row.id());
    for (float value : row.vector()) {
      line.append(',').append(value);
    }
    return line.append('\n').toString().getBytes(StandardCharsets.US_ASCII);
  }
}
