package io.ruvector.cli;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An array in NumPy's format, version 1 or 2: the types that {@link io.ruvector.index.Vectors#map}
 * does not take, and the shape.
 */
record Npy(String descr, long rows, long columns, MemorySegment data) {
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final int LENGTH = MAGIC.length + 2;

  /** Beyond what NumPy writes for two dimensions: a longer header is refused, not read. */
  private static final long MAX_HEADER = 1 << 16;

  private static final Pattern DESCR = Pattern.compile("'descr'\\s*:\\s*'([^']*)'");
  private static final Pattern ORDER = Pattern.compile("'fortran_order'\\s*:\\s*(\\w+)");
  private static final Pattern SHAPE = Pattern.compile("'shape'\\s*:\\s*\\(([^)]*)\\)");

  /** Reads the header; a list without a second dimension has one column. */
  static Npy of(String name, MemorySegment file) {
    if (file.byteSize() < LENGTH + Integer.BYTES
        || file.asSlice(0, MAGIC.length).mismatch(MemorySegment.ofArray(MAGIC)) != -1) {
      throw CliException.data("%s: not a .npy file".formatted(name));
    }
    int version = file.get(ValueLayout.JAVA_BYTE, MAGIC.length);
    if (version != 1 && version != 2) {
      throw CliException.data("%s: .npy version %d, allowed: 1 and 2".formatted(name, version));
    }
    long start = LENGTH + (version == 1 ? (long) Short.BYTES : Integer.BYTES);
    long length =
        version == 1
            ? Short.toUnsignedLong(file.get(SHORT, LENGTH))
            : Integer.toUnsignedLong(file.get(INT, LENGTH));
    if (length > MAX_HEADER || start + length > file.byteSize()) {
      throw CliException.data("%s: the .npy header is cut off or too long".formatted(name));
    }
    byte[] bytes = file.asSlice(start, length).toArray(ValueLayout.JAVA_BYTE);
    String header = new String(bytes, StandardCharsets.ISO_8859_1);
    if (!field(name, header, ORDER).equals("False")) {
      throw CliException.data("%s: Fortran order, allowed: C order".formatted(name));
    }
    String descr = field(name, header, DESCR);
    String[] shape = field(name, header, SHAPE).replace(" ", "").split(",");
    try {
      if (shape.length > 2) {
        throw new NumberFormatException();
      }
      long rows = Long.parseLong(shape[0]);
      long columns = shape.length == 1 ? 1 : Long.parseLong(shape[1]);
      MemorySegment data = file.asSlice(start + length);
      long bytesEach = itemBytes(name, descr);
      if (rows < 0
          || columns < 0
          || data.byteSize() != Math.multiplyExact(Math.multiplyExact(rows, columns), bytesEach)) {
        throw CliException.data(
            "%s: %d bytes of data, which are not (%s) of '%s'"
                .formatted(name, data.byteSize(), String.join(", ", shape), descr));
      }
      return new Npy(descr, rows, columns, data);
    } catch (NumberFormatException | ArithmeticException e) {
      throw CliException.data(
          "%s: shape (%s), allowed: one or two dimensions"
              .formatted(name, String.join(", ", shape)));
    }
  }

  private static long itemBytes(String name, String descr) {
    return switch (descr) {
      case "<f2" -> 2;
      case "<f4", "<i4" -> 4;
      case "<i8" -> 8;
      default ->
          throw CliException.data(
              "%s: type '%s', allowed: <f2, <f4, <i4, <i8".formatted(name, descr));
    };
  }

  private static String field(String name, String header, Pattern pattern) {
    Matcher matcher = pattern.matcher(header);
    if (!matcher.find()) {
      throw CliException.data("%s: not a .npy header: %s".formatted(name, header.strip()));
    }
    return matcher.group(1);
  }

  /** The header that comes before rows of 32-bit floats; the data begins at a multiple of 64. */
  static byte[] header(String descr, String shape) {
    String dictionary =
        "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }".formatted(descr, shape);
    int start = LENGTH + Short.BYTES;
    int length = Math.ceilDiv(start + dictionary.length() + 1, 64) * 64 - start;
    String padded = dictionary + " ".repeat(length - dictionary.length() - 1) + "\n";
    byte[] header = new byte[start + length];
    MemorySegment segment = MemorySegment.ofArray(header);
    MemorySegment.copy(MAGIC, 0, segment, ValueLayout.JAVA_BYTE, 0, MAGIC.length);
    segment.set(ValueLayout.JAVA_BYTE, MAGIC.length, (byte) 1);
    segment.set(SHORT, LENGTH, (short) length);
    MemorySegment.copy(
        padded.getBytes(StandardCharsets.ISO_8859_1),
        0,
        segment,
        ValueLayout.JAVA_BYTE,
        start,
        length);
    return header;
  }
}
