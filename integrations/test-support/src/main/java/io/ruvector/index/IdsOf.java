package io.ruvector.index;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;

/** Reads ids back, which the library itself never shows. */
public final class IdsOf {
  private IdsOf() {}

  /** The ids, of which there must be one for each row. */
  public static long[] rows(Ids ids, long rows) {
    try (Arena arena = Arena.ofConfined()) {
      return ids.forRows(rows, arena)
          .given()
          .asSlice(0, rows * Long.BYTES)
          .toArray(ValueLayout.JAVA_LONG);
    }
  }
}
