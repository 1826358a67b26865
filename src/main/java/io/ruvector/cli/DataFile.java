package io.ruvector.cli;

import io.ruvector.index.Vectors;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Files of vectors, ids and true neighbours, told apart by the endings of their names. */
final class DataFile {
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private DataFile() {}

  /** The ending of a file's name, with the point and in lower case; empty without one. */
  static String ending(Path file) {
    String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
    int point = name.lastIndexOf('.');
    return point < 0 ? "" : name.substring(point);
  }

  /** Refuses a file that could not be written, before the work whose outcome it is to hold. */
  static void checkTarget(Path file) {
    Path folder = file.toAbsolutePath().getParent();
    if (Files.isDirectory(file)) {
      throw CliException.data("%s is a folder, expected: a file to write".formatted(file));
    }
    if (folder == null || !Files.isDirectory(folder) || !Files.isWritable(folder)) {
      throw CliException.data(
          "%s cannot be written: %s is no folder that files can be made in"
              .formatted(file, folder));
    }
  }

  private static MemorySegment map(Path file) throws IOException {
    try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
    }
  }

  /**
   * Vectors of a binary file: {@code .fvecs}, {@code .npy} of 32-bit or 16-bit floats, else raw
   * 32-bit floats.
   *
   * @param dim the components that each must have; null: as the file says
   */
  static Vectors vectors(Path file, @Nullable Integer dim) throws IOException {
    return switch (ending(file)) {
      case ".npy" -> {
        Npy npy = Npy.of(file.toString(), map(file));
        int columns = checkedDim(file, npy.columns());
        yield npy.descr().equals("<f2")
            ? halves(file, npy, dim == null ? columns : dim)
            : Vectors.map(file, dim == null ? columns : dim);
      }
      case ".fvecs" -> Vectors.map(file, dim == null ? fvecsDim(file) : dim);
      default -> {
        if (dim == null) {
          throw CliException.usage(
              "%s has no header that tells the dimension: --dim is needed".formatted(file));
        }
        yield Vectors.map(file, dim);
      }
    };
  }

  /** The queries of a file, .csv or one of {@link #vectors}. */
  static Vectors queries(Path file, @Nullable Integer dim, OutputMixin output) throws IOException {
    return ending(file).equals(".csv")
        ? Csv.read(file, null, dim, output).vectors()
        : vectors(file, dim);
  }

  private static int checkedDim(Path file, long dim) {
    if (dim < 1 || dim > Integer.MAX_VALUE) {
      throw CliException.data("%s: rows of %d components".formatted(file, dim));
    }
    return (int) dim;
  }

  private static int fvecsDim(Path file) throws IOException {
    MemorySegment data = map(file);
    if (data.byteSize() < Integer.BYTES) {
      throw CliException.data("%s: empty, so --dim is needed".formatted(file));
    }
    return checkedDim(file, data.get(INT, 0));
  }

  private static Vectors halves(Path file, Npy npy, int dim) {
    if (npy.columns() != dim) {
      throw CliException.data(
          "%s: dimension mismatch: expected %d, got %d".formatted(file, dim, npy.columns()));
    }
    return Vectors.of(floats(npy), dim);
  }

  /** 16-bit floats made 32-bit ones, in memory that is freed once it is garbage. */
  static MemorySegment floats(Npy npy) {
    long count = npy.rows() * npy.columns();
    MemorySegment floats = Arena.ofAuto().allocate(count * Float.BYTES, Float.BYTES);
    for (long i = 0; i < count; i++) {
      float value = Float.float16ToFloat(npy.data().get(SHORT, i * Short.BYTES));
      floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
    }
    return floats;
  }

  /** Ids of a {@code .npy} file of 64-bit integers, or of a text file with one on each line. */
  static long[] ids(Path file) throws IOException {
    if (ending(file).equals(".npy")) {
      Npy npy = Npy.of(file.toString(), map(file));
      if (!npy.descr().equals("<i8") || npy.columns() != 1) {
        throw CliException.data(
            "%s: %d columns of '%s', allowed: 1 of <i8"
                .formatted(file, npy.columns(), npy.descr()));
      }
      return npy.data().toArray(LONG);
    }
    long[] ids = new long[1_024];
    int count = 0;
    try (BufferedReader reader = Files.newBufferedReader(file)) {
      int number = 0;
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        number++;
        if (line.isBlank()) {
          continue;
        }
        if (count == ids.length) {
          ids = Arrays.copyOf(ids, 2 * count);
        }
        try {
          ids[count++] = Long.parseLong(line.strip());
        } catch (NumberFormatException e) {
          throw CliException.data(
              "%s: line %d: not an id: '%s'".formatted(file, number, line.strip()));
        }
      }
    }
    return Arrays.copyOf(ids, count);
  }

  /** The true neighbours of each query, as row numbers. */
  record Truth(int columns, int[] rows) {
    int queries() {
      return rows.length / columns;
    }

    int row(int query, int rank) {
      return rows[query * columns + rank];
    }
  }

  /**
   * True neighbours of an {@code .ivecs} or {@code .npy} file of 32-bit integers, or of raw ones.
   *
   * @param columns neighbours of each query
   */
  static Truth truth(Path file, int columns) throws IOException {
    int[] found;
    switch (ending(file)) {
      case ".npy" -> {
        Npy npy = Npy.of(file.toString(), map(file));
        if (!npy.descr().equals("<i4") || npy.columns() != columns) {
          throw CliException.data(
              "%s: %d columns of '%s', expected %d of <i4"
                  .formatted(file, npy.columns(), npy.descr(), columns));
        }
        found = npy.data().toArray(INT);
      }
      case ".ivecs" -> {
        int[] values = map(file).toArray(INT);
        int width = columns + 1;
        found = new int[values.length / width * columns];
        for (int row = 0; row < values.length / width; row++) {
          if (values[row * width] != columns) {
            throw CliException.data(
                "%s: row %d has %d neighbours, expected %d"
                    .formatted(file, row, values[row * width], columns));
          }
          System.arraycopy(values, row * width + 1, found, row * columns, columns);
        }
      }
      default -> found = map(file).toArray(INT);
    }
    if (found.length % columns != 0) {
      throw CliException.data(
          "%s: %d numbers are not whole rows of %d neighbours"
              .formatted(file, found.length, columns));
    }
    return new Truth(columns, found);
  }
}
