package io.ruvector.lake.backend;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.lake.VectorSink;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Off-heap memory for one batch of rows, which goes to a sink whenever it is full, and then is
 * filled again.
 *
 * <p>A row is written into {@link #rows} from {@link #offset} on, in the machine's byte order; then
 * {@link #add} ends it. For one thread, who closes it.
 */
public final class RowBatches implements AutoCloseable {
  /** Enough that what a call costs does not count, little enough to stay in a processor's cache. */
  private static final long MAX_BYTES = 4L << 20;

  private static final int MAX_ROWS = 1 << 16;
  private static final int ABS = 0x7fff_ffff;
  private static final int INFINITY = 0x7f80_0000;

  private final Arena arena = Arena.ofConfined();
  private final VectorSink sink;
  private final int dim;
  private final long rowBytes;
  private final int capacity;
  private final MemorySegment rows;
  private final MemorySegment ids;
  private int filled;

  /**
   * Takes the memory, about 4 MiB at most.
   *
   * @param sink takes the batches
   * @param dim components of each row, 1 to 8,192
   */
  public RowBatches(VectorSink sink, int dim) {
    this.sink = sink;
    this.dim = dim;
    rowBytes = (long) dim * Float.BYTES;
    capacity = (int) Math.min(MAX_ROWS, MAX_BYTES / rowBytes);
    rows = arena.allocate(capacity * rowBytes, 64);
    ids = arena.allocate((long) capacity * Long.BYTES, 64);
  }

  /** The memory of the batch. */
  public MemorySegment rows() {
    return rows;
  }

  /** Where in {@link #rows} the next row begins, in bytes. */
  public long offset() {
    return filled * rowBytes;
  }

  /** The first component of the row at {@link #offset} that is infinite or not a number, or -1. */
  public int firstNotFinite() {
    long at = offset();
    int highest = 0;
    for (int i = 0; i < dim; i++) {
      highest = Math.max(highest, rows.get(ValueLayout.JAVA_INT, at + 4L * i) & ABS);
    }
    if (highest < INFINITY) {
      return -1;
    }
    int i = 0;
    while (Float.isFinite(rows.get(ValueLayout.JAVA_FLOAT, at + 4L * i))) {
      i++;
    }
    return i;
  }

  /**
   * Ends the row at {@link #offset}.
   *
   * @param id its id
   * @throws InterruptedException if the thread was interrupted since the batch before
   */
  public void add(long id) throws InterruptedException {
    ids.setAtIndex(ValueLayout.JAVA_LONG, filled, id);
    filled++;
    if (filled == capacity) {
      flush();
    }
  }

  /**
   * Passes on what is there; to be called at the end.
   *
   * @throws InterruptedException if the thread was interrupted since the batch before
   */
  public void flush() throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    if (filled > 0) {
      sink.add(
          Vectors.of(rows.asSlice(0, filled * rowBytes), dim),
          Ids.of(ids.asSlice(0, (long) filled * Long.BYTES)));
      filled = 0;
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
