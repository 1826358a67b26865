package io.ruvector.cli;

import io.ruvector.index.Vectors;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Vectors as text: a row on each line, commas between, perhaps a header and a column of ids. */
final class Csv {
  private final Path file;
  private final @Nullable String idColumn;

  private Csv(Path file, @Nullable String idColumn) {
    this.file = file;
    this.idColumn = idColumn;
  }

  /** The rows, and their ids where there is a column of them. */
  record Rows(Vectors vectors, long @Nullable [] ids) {}

  /**
   * Reads a file.
   *
   * @param idColumn the column's name in the header, or its number from 1
   * @param dim the components that each row must have; null: as many as the first row has
   */
  static Rows read(Path file, @Nullable String idColumn, @Nullable Integer dim, OutputMixin output)
      throws IOException {
    long lines;
    try (Stream<String> all = Files.lines(file)) {
      lines = all.filter(line -> !line.isBlank()).count();
    }
    try (Progress progress = output.progress("reading " + file, lines);
        BufferedReader reader = Files.newBufferedReader(file)) {
      return new Csv(file, idColumn).read(reader, lines, dim, progress);
    }
  }

  private Rows read(BufferedReader reader, long lines, @Nullable Integer dim, Progress progress)
      throws IOException {
    int number = 0;
    int width = 0;
    int idIndex = -1;
    int rows = 0;
    MemorySegment floats = MemorySegment.NULL;
    long[] ids = new long[0];
    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
      number++;
      if (line.isBlank()) {
        continue;
      }
      String[] fields = fields(line);
      if (width == 0) {
        width = fields.length;
        boolean header = !isNumber(fields[0]) || !isNumber(fields[width - 1]);
        idIndex = idIndex(fields, header);
        int found = idIndex < 0 ? width : width - 1;
        if (dim != null && dim != found) {
          throw CliException.data(
              "%s: line %d: dimension mismatch: expected %d, got %d"
                  .formatted(file, number, dim, found));
        }
        long capacity = header ? lines - 1 : lines;
        floats = Arena.ofAuto().allocate(capacity * found * Float.BYTES, Float.BYTES);
        ids = new long[idIndex < 0 ? 0 : Math.toIntExact(capacity)];
        if (header) {
          continue;
        }
      }
      if (fields.length != width) {
        throw CliException.data(
            "%s: line %d: %d columns, expected %d".formatted(file, number, fields.length, width));
      }
      long at = (long) rows * (idIndex < 0 ? width : width - 1);
      for (int i = 0; i < width; i++) {
        try {
          if (i == idIndex) {
            ids[rows] = Long.parseLong(fields[i]);
          } else {
            floats.setAtIndex(ValueLayout.JAVA_FLOAT, at++, Float.parseFloat(fields[i]));
          }
        } catch (NumberFormatException e) {
          throw CliException.data(
              "%s: line %d: column %d: not %s: '%s'"
                  .formatted(file, number, i + 1, i == idIndex ? "an id" : "a number", fields[i]));
        }
      }
      rows++;
      progress.step(1);
    }
    if (rows == 0) {
      throw CliException.data("%s: no rows".formatted(file));
    }
    return new Rows(Vectors.of(floats, idIndex < 0 ? width : width - 1), idIndex < 0 ? null : ids);
  }

  private static String[] fields(String line) {
    String[] fields = line.split(",", -1);
    for (int i = 0; i < fields.length; i++) {
      String field = fields[i].strip();
      boolean quoted = field.length() >= 2 && field.startsWith("\"") && field.endsWith("\"");
      fields[i] = quoted ? field.substring(1, field.length() - 1) : field;
    }
    return fields;
  }

  private static boolean isNumber(String field) {
    try {
      Float.parseFloat(field);
      return true;
    } catch (NumberFormatException e) {
      return false;
    }
  }

  private int idIndex(String[] first, boolean header) {
    String wanted = idColumn;
    if (wanted == null) {
      return -1;
    }
    int index = header ? Arrays.asList(first).indexOf(wanted) : -1;
    if (index < 0 && wanted.matches("[0-9]{1,6}")) {
      index = Integer.parseInt(wanted) - 1;
    }
    if (index < 0 || index >= first.length) {
      throw CliException.data(
          "%s: no column '%s' among %d columns%s"
              .formatted(file, wanted, first.length, header ? "" : " without a header"));
    }
    return index;
  }
}
