package io.ruvector.index;

import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeIndex.FileRows;
import io.ruvector.internal.NativeIndex.Rows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A view of rows of 32-bit floats in off-heap memory or in a mapped file, which crosses into native
 * code without a copy.
 *
 * <p>Immutable, and safe for use from many threads as far as the memory behind it is. The view does
 * not own that memory, and needs no closing: whoever allocated the memory keeps it open, and
 * unwritten to, until each call that was given the view has returned. Closing its arena under a
 * call throws {@link IllegalStateException}, and the call goes on. After the call the memory may be
 * overwritten or freed: no index keeps a pointer to it.
 */
public final class Vectors {
  private final MemorySegment segment;
  private final long rows;
  private final int dim;
  private final long stride;
  private final @Nullable VectorBuffer buffer;
  private final @Nullable FileRows file;

  private Vectors(
      MemorySegment segment,
      long rows,
      int dim,
      long stride,
      @Nullable VectorBuffer buffer,
      @Nullable FileRows file) {
    this.segment = segment;
    this.rows = rows;
    this.dim = dim;
    this.stride = stride;
    this.buffer = buffer;
    this.file = file;
  }

  /**
   * Rows without gaps between them; the segment's size tells how many.
   *
   * @param segment off-heap floats in the machine's byte order, at an address that is a multiple of
   *     4
   * @param dim components of each row, 1 to 8,192
   * @throws IllegalArgumentException if the memory is on the heap, misaligned, or not a whole
   *     number of rows, or if {@code dim} is out of range
   */
  public static Vectors of(MemorySegment segment, int dim) {
    long bytes = rowBytes(dim);
    Checks.nativeMemory("segment", segment, Float.BYTES);
    if (segment.byteSize() % bytes != 0) {
      throw Checks.illegal(
          "segment",
          segment.byteSize() + " bytes",
          "whole rows of %d dimensions, %d bytes each".formatted(dim, bytes));
    }
    return of(segment, segment.byteSize() / bytes, dim, bytes);
  }

  /**
   * Rows that may have gaps between them.
   *
   * @param segment off-heap floats in the machine's byte order, at an address that is a multiple of
   *     4
   * @param rows how many rows
   * @param dim components of each row, 1 to 8,192
   * @param strideBytes from the beginning of a row to that of the next, in bytes: a multiple of 4,
   *     and {@code 4 * dim} at least
   * @throws IllegalArgumentException if the memory is on the heap, misaligned or too small for the
   *     rows, or if {@code dim} or {@code strideBytes} is out of range
   */
  public static Vectors of(MemorySegment segment, long rows, int dim, long strideBytes) {
    long bytes = rowBytes(dim);
    Checks.nativeMemory("segment", segment, Float.BYTES);
    if (strideBytes % Float.BYTES != 0 || strideBytes < bytes) {
      throw Checks.illegal(
          "strideBytes", strideBytes, "multiples of 4 from 4 * dim = %d".formatted(bytes));
    }
    long fit = segment.byteSize() < bytes ? 0 : (segment.byteSize() - bytes) / strideBytes + 1;
    if (rows < 0 || rows > fit) {
      throw Checks.illegal(
          "rows", rows, "0 to %d, what %d bytes hold".formatted(fit, segment.byteSize()));
    }
    return new Vectors(segment, rows, dim, strideBytes, null, null);
  }

  /**
   * The rows between a direct buffer's position and limit.
   *
   * @param floats a direct buffer in the machine's byte order; {@code allocateDirect(n)} is
   *     big-endian until {@code order(ByteOrder.nativeOrder())} is called, before {@code
   *     asFloatBuffer()}
   * @param dim components of each row, 1 to 8,192
   * @throws IllegalArgumentException if the buffer is on the heap, in the other byte order,
   *     misaligned or not a whole number of rows, or if {@code dim} is out of range
   */
  public static Vectors of(FloatBuffer floats, int dim) {
    if (!floats.isDirect()) {
      throw Checks.illegal("floats", "a heap buffer", "direct buffers, or a heap array by copyOf");
    }
    if (floats.order() != ByteOrder.nativeOrder()) {
      throw Checks.illegal("floats", floats.order(), ByteOrder.nativeOrder() + " byte order");
    }
    return of(MemorySegment.ofBuffer(floats), dim);
  }

  /**
   * The rows of a file, mapped into memory until the view is garbage. The ending of its name tells
   * the format: {@code .fvecs} (before each row its number of components), {@code .npy} (version 1
   * or 2, {@code <f4}, C order, two dimensions); everything else is rows of little-endian floats
   * without a header. The file must not be shortened meanwhile: the system would end the process.
   *
   * @param file a file of the default file system
   * @param dim components of each row, 1 to 8,192
   * @throws PersistException if the file cannot be read, or is not what its name says
   * @throws DimensionMismatchException if the file's rows have more or fewer components
   * @throws IllegalArgumentException if {@code dim} is out of range
   */
  public static Vectors map(Path file, int dim) {
    rowBytes(dim);
    return VectorFile.map(file, dim);
  }

  /**
   * A copy of heap vectors in off-heap memory, which is freed once the view is garbage.
   *
   * @param rows vectors of the same number of components, one at least
   * @throws IllegalArgumentException if there are none, or their number of components is out of
   *     range
   * @throws DimensionMismatchException if one has more or fewer components than the first
   */
  public static Vectors copyOf(float[]... rows) {
    return copyOf(Arrays.asList(rows));
  }

  /**
   * A copy of heap vectors in off-heap memory, which is freed once the view is garbage.
   *
   * @param rows vectors of the same number of components, one at least
   * @throws IllegalArgumentException if there are none, or their number of components is out of
   *     range
   * @throws DimensionMismatchException if one has more or fewer components than the first
   */
  public static Vectors copyOf(Collection<float[]> rows) {
    // A copy of the references: the collection may change while the vectors are read.
    List<float[]> vectors = List.copyOf(rows);
    if (vectors.isEmpty()) {
      throw Checks.illegal("rows", "empty", "1 row or more");
    }
    int dim = vectors.get(0).length;
    long bytes = rowBytes(dim);
    MemorySegment segment = Arena.ofAuto().allocate(vectors.size() * bytes, Float.BYTES);
    long offset = 0;
    for (int row = 0; row < vectors.size(); row++) {
      float[] vector = vectors.get(row);
      if (vector.length != dim) {
        throw new DimensionMismatchException("row " + row, dim, vector.length);
      }
      MemorySegment.copy(vector, 0, segment, ValueLayout.JAVA_FLOAT, offset, dim);
      offset += bytes;
    }
    return new Vectors(segment, vectors.size(), dim, bytes, null, null);
  }

  static Vectors ofBuffer(VectorBuffer buffer, MemorySegment data) {
    return new Vectors(data, buffer.rows(), buffer.dim(), rowBytes(buffer.dim()), buffer, null);
  }

  static Vectors ofFile(MemorySegment mapped, FileRows file) {
    return new Vectors(mapped, file.rows(), file.dim(), file.stride(), null, file);
  }

  private static long rowBytes(int dim) {
    return (long) Checks.dim(dim) * Float.BYTES;
  }

  /** How many rows there are. */
  public long rows() {
    return rows;
  }

  /** Components of each row. */
  public int dim() {
    return dim;
  }

  /** From the beginning of a row to that of the next, in bytes. */
  public long strideBytes() {
    return stride;
  }

  /**
   * A copy of one row.
   *
   * @param row from 0
   * @throws IndexOutOfBoundsException if there is no such row
   * @throws IllegalStateException if the memory is closed
   */
  public float[] row(long row) {
    Objects.checkIndex(row, rows);
    float[] vector = new float[dim];
    MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT, row * stride, vector, 0, dim);
    return vector;
  }

  /** The rows as native code takes them. */
  Rows nativeRows(String name) {
    Checks.accessible(name, segment);
    return new Rows(segment, rows, dim, stride);
  }

  /** Refuses memory of one thread, for a call that runs on another one. */
  void checkShareable(String name) {
    Checks.shareable(name, segment);
  }

  /** The buffer that this is the whole of, if it is one. */
  @Nullable VectorBuffer buffer() {
    return buffer;
  }

  /** The rows of the file that this is the whole of, if it is one. */
  @Nullable FileRows file() {
    return file;
  }

  /** The shape, for people to read. */
  @Override
  public String toString() {
    return "Vectors[%d rows of %d dimensions, %d bytes apart]".formatted(rows, dim, stride);
  }
}
