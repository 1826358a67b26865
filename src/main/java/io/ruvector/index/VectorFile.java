package io.ruvector.index;

import io.ruvector.internal.NativeIndex.FileRows;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Files of vectors: raw floats, {@code .fvecs} and {@code .npy}. */
final class VectorFile {
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final byte[] NPY_MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final int NPY_VERSION = NPY_MAGIC.length;
  private static final int NPY_LENGTH = NPY_VERSION + 2;

  /** Beyond what NumPy writes for two dimensions: a longer header is refused, not read. */
  private static final long MAX_NPY_HEADER = 1 << 16;

  private static final Pattern NPY_DESCR = Pattern.compile("'descr'\\s*:\\s*'([^']*)'");
  private static final Pattern NPY_ORDER = Pattern.compile("'fortran_order'\\s*:\\s*(\\w+)");
  private static final Pattern NPY_SHAPE = Pattern.compile("'shape'\\s*:\\s*\\(([^)]*)\\)");

  private VectorFile() {}

  static Vectors map(Path path, int dim) {
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw bad(path, "byte order", "the file is little-endian and this machine is not");
    }
    MemorySegment mapped;
    try (var channel = FileChannel.open(path, StandardOpenOption.READ)) {
      mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
    } catch (IOException e) {
      throw new PersistException("%s: cannot be mapped: %s".formatted(path, e), e);
    }
    String name = String.valueOf(path.getFileName()).toLowerCase(Locale.ROOT);
    if (name.endsWith(".fvecs")) {
      return fvecs(path, mapped, dim);
    }
    if (name.endsWith(".npy")) {
      return npy(path, mapped, dim);
    }
    return rows(path, mapped, 0, dim);
  }

  private static PersistException bad(Path path, String section, String reason) {
    return new PersistException("%s: %s: %s".formatted(path, section, reason));
  }

  /** Rows without gaps, from an offset to the end. */
  private static Vectors rows(Path path, MemorySegment mapped, long offset, int dim) {
    long stride = (long) dim * Float.BYTES;
    long bytes = mapped.byteSize() - offset;
    if (bytes % stride != 0) {
      throw bad(
          path,
          "size",
          "%d bytes are not whole rows of %d dimensions, %d bytes each"
              .formatted(bytes, dim, stride));
    }
    return Vectors.ofFile(
        mapped.asSlice(offset), new FileRows(path, offset, bytes / stride, dim, stride));
  }

  /** Rows of {int32 dim, dim floats}. */
  private static Vectors fvecs(Path path, MemorySegment mapped, int dim) {
    long stride = Integer.BYTES + (long) dim * Float.BYTES;
    if (mapped.byteSize() == 0) {
      return Vectors.ofFile(mapped, new FileRows(path, 0, 0, dim, stride));
    }
    checkFvecsRow(path, mapped, 0, 0, dim);
    if (mapped.byteSize() % stride != 0) {
      throw bad(
          path,
          "size",
          "%d bytes are not whole rows of %d dimensions, %d bytes each"
              .formatted(mapped.byteSize(), dim, stride));
    }
    long rows = mapped.byteSize() / stride;
    checkFvecsRow(path, mapped, rows - 1, (rows - 1) * stride, dim);
    return Vectors.ofFile(
        mapped.asSlice(Integer.BYTES), new FileRows(path, Integer.BYTES, rows, dim, stride));
  }

  private static void checkFvecsRow(
      Path path, MemorySegment mapped, long row, long offset, int dim) {
    if (mapped.byteSize() < offset + Integer.BYTES) {
      throw bad(path, "row " + row, "its header is cut off");
    }
    int found = mapped.get(INT, offset);
    if (found != dim) {
      throw new DimensionMismatchException("%s: row %d".formatted(path, row), dim, found);
    }
  }

  /** {magic, version, length of the header, header, floats}. */
  private static Vectors npy(Path path, MemorySegment mapped, int dim) {
    if (mapped.byteSize() < NPY_LENGTH + Integer.BYTES
        || mapped.asSlice(0, NPY_MAGIC.length).mismatch(MemorySegment.ofArray(NPY_MAGIC)) != -1) {
      throw bad(path, "magic", "not a .npy file");
    }
    byte version = mapped.get(ValueLayout.JAVA_BYTE, NPY_VERSION);
    if (version != 1 && version != 2) {
      throw bad(path, "version", "%d, allowed: 1 and 2".formatted(version));
    }
    int start = NPY_LENGTH + (version == 1 ? Short.BYTES : Integer.BYTES);
    long length =
        version == 1
            ? Short.toUnsignedLong(mapped.get(SHORT, NPY_LENGTH))
            : Integer.toUnsignedLong(mapped.get(INT, NPY_LENGTH));
    if (length > MAX_NPY_HEADER || start + length > mapped.byteSize()) {
      throw bad(
          path,
          "header",
          "%d bytes long, allowed: up to %d, within the file".formatted(length, MAX_NPY_HEADER));
    }
    byte[] header = mapped.asSlice(start, length).toArray(ValueLayout.JAVA_BYTE);
    long rows = npyRows(path, new String(header, StandardCharsets.ISO_8859_1), dim);
    long offset = start + length;
    if (offset % Float.BYTES != 0) {
      throw bad(path, "data", "at offset %d, allowed: multiples of 4".formatted(offset));
    }
    Vectors vectors = rows(path, mapped, offset, dim);
    if (vectors.rows() != rows) {
      throw bad(path, "data", "%d rows, but the header says %d".formatted(vectors.rows(), rows));
    }
    return vectors;
  }

  private static long npyRows(Path path, String header, int dim) {
    String descr = npyField(path, header, "descr", NPY_DESCR);
    if (!descr.equals("<f4")) {
      throw bad(path, "descr", "'%s', allowed: '<f4'".formatted(descr));
    }
    String fortran = npyField(path, header, "fortran_order", NPY_ORDER);
    if (!fortran.equals("False")) {
      throw bad(path, "fortran_order", "%s, allowed: False".formatted(fortran));
    }
    String shape = npyField(path, header, "shape", NPY_SHAPE);
    String[] sizes = shape.split(",");
    if (sizes.length != 2) {
      throw bad(path, "shape", "(%s), allowed: two dimensions".formatted(shape));
    }
    try {
      long found = Long.parseLong(sizes[1].strip());
      if (found != dim) {
        throw new DimensionMismatchException(
            path.toString(), dim, Math.clamp(found, 0, Integer.MAX_VALUE));
      }
      return Long.parseLong(sizes[0].strip());
    } catch (NumberFormatException e) {
      throw bad(path, "shape", "(%s), allowed: two numbers".formatted(shape));
    }
  }

  private static String npyField(Path path, String header, String name, Pattern pattern) {
    Matcher matcher = pattern.matcher(header);
    if (!matcher.find()) {
      throw bad(path, "header", "has no '%s'".formatted(name));
    }
    return matcher.group(1);
  }
}
