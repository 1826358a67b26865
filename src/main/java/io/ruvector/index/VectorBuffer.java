package io.ruvector.index;

import io.ruvector.RuVectorException;
import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * Off-heap rows of zeros for the caller to fill, which an index can then take over without a copy
 * ({@link Originals#ADOPT}).
 *
 * <p>Once adopted, the buffer and every segment that came from it are dead: each use throws {@link
 * IllegalStateException}. Otherwise whoever allocated it closes it. Rows may be filled from many
 * threads at once, each row from one.
 */
public final class VectorBuffer implements AutoCloseable {
  private final NativeBuffer buffer;
  private final long rows;
  private final int dim;

  private VectorBuffer(NativeBuffer buffer, long rows, int dim) {
    this.buffer = buffer;
    this.rows = rows;
    this.dim = dim;
  }

  /**
   * A buffer of zeros.
   *
   * @param rows how many rows, from 1
   * @param dim components of each row, 1 to 8,192
   * @throws IllegalArgumentException if {@code rows} or {@code dim} is out of range
   * @throws RuVectorException with the code {@code OUT_OF_MEMORY} if there is no room for them
   */
  public static VectorBuffer allocate(long rows, int dim) {
    Checks.dim(dim);
    if (rows < 1 || rows > Long.MAX_VALUE / Float.BYTES / dim) {
      throw Checks.illegal("rows", rows, "1 to %d".formatted(Long.MAX_VALUE / Float.BYTES / dim));
    }
    return new VectorBuffer(NativeBuffer.allocate(rows, dim), rows, dim);
  }

  /** How many rows there are. */
  public long rows() {
    return rows;
  }

  /** Components of each row. */
  public int dim() {
    return dim;
  }

  /**
   * All rows, one after another, as 32-bit floats in the machine's byte order.
   *
   * @throws IllegalStateException if the buffer is closed or adopted
   */
  public MemorySegment segment() {
    return buffer.data();
  }

  /**
   * One row, {@code 4 * dim()} bytes.
   *
   * @param row from 0
   * @throws IndexOutOfBoundsException if there is no such row
   * @throws IllegalStateException if the buffer is closed or adopted
   */
  public MemorySegment row(long row) {
    Objects.checkIndex(row, rows);
    long bytes = (long) dim * Float.BYTES;
    return segment().asSlice(row * bytes, bytes);
  }

  /**
   * Copies a vector into a row.
   *
   * @param row from 0
   * @param vector {@code dim()} components
   * @throws IndexOutOfBoundsException if there is no such row
   * @throws DimensionMismatchException if the vector has more or fewer components
   * @throws IllegalStateException if the buffer is closed or adopted
   */
  public void put(long row, float[] vector) {
    if (vector.length != dim) {
      throw new DimensionMismatchException(dim, vector.length);
    }
    MemorySegment.copy(vector, 0, row(row), ValueLayout.JAVA_FLOAT, 0, dim);
  }

  /**
   * A view of all rows: to be copied from, or, with {@link Originals#ADOPT}, to be taken over.
   *
   * @throws IllegalStateException if the buffer is closed or adopted
   */
  public Vectors asVectors() {
    return Vectors.ofBuffer(this, segment());
  }

  NativeBuffer nativeBuffer() {
    return buffer;
  }

  /** Gives the memory back, unless an index has adopted it. Never throws, never waits. */
  @Override
  public void close() {
    buffer.close();
  }
}
