package io.ruvector.index;

import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeIndex.RowIds;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The ids of a batch of rows: any {@code long}s, each once.
 *
 * <p>Immutable, and safe for use from many threads, as long as nobody changes the memory behind it.
 */
public final class Ids {
  private final MemorySegment memory;
  private final long first;
  private final boolean counted;

  private Ids(MemorySegment memory, long first, boolean counted) {
    this.memory = memory;
    this.first = first;
    this.counted = counted;
  }

  /**
   * The ids {@code first}, {@code first + 1} and so on, as many as there are rows.
   *
   * @param first the id of the first row
   */
  public static Ids from(long first) {
    return new Ids(MemorySegment.NULL, first, true);
  }

  /**
   * These ids, one for each row.
   *
   * @param ids the ids in the order of the rows; not copied before the call that uses them
   */
  public static Ids of(long... ids) {
    return new Ids(MemorySegment.ofArray(ids), 0, false);
  }

  /**
   * Ids in off-heap memory, which are read there.
   *
   * @param ids 64-bit integers in the machine's byte order, at an address that is a multiple of 8
   * @throws IllegalArgumentException if the memory is on the heap, misaligned, or not a whole
   *     number of ids
   */
  public static Ids of(MemorySegment ids) {
    Checks.nativeMemory("ids", ids, Long.BYTES);
    if (ids.byteSize() % Long.BYTES != 0) {
      throw Checks.illegal("ids", ids.byteSize() + " bytes", "multiples of 8 bytes");
    }
    return new Ids(ids, 0, false);
  }

  /** The ids for so many rows, as native code takes them; a heap array is copied into the arena. */
  RowIds forRows(long rows, Arena arena) {
    if (counted) {
      if (rows > 0 && first > Long.MAX_VALUE - (rows - 1)) {
        throw Checks.illegal(
            "ids", "from %d for %d rows".formatted(first, rows), "up to " + Long.MAX_VALUE);
      }
      return RowIds.from(first);
    }
    long given = memory.byteSize() / Long.BYTES;
    if (given != rows) {
      throw Checks.illegal("ids", given + " ids", "one for each of the %d rows".formatted(rows));
    }
    if (memory.isNative()) {
      Checks.accessible("ids", memory);
      return new RowIds(memory, 0);
    }
    MemorySegment copy = arena.allocate(ValueLayout.JAVA_LONG, rows);
    return new RowIds(copy.copyFrom(memory), 0);
  }
}
