package io.ruvector.index;

import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeFilter;
import java.util.Arrays;

/**
 * An immutable set of ids that may be hits.
 *
 * <p>A set is kept as intervals, so that ranges cost nothing and {@link #not()} is exact over all
 * 64-bit ids, whatever the index holds. Safe for use from many threads. An index remembers the last
 * few filters that it was searched with; to be sure, {@linkplain VectorIndex#prepare prepare} one.
 */
public final class IdFilter {
  private static final IdFilter ALL =
      new IdFilter(new long[] {Long.MIN_VALUE}, new long[] {Long.MAX_VALUE});
  private static final IdFilter NONE = new IdFilter(new long[0], new long[0]);

  /** Longer sets are cut off in {@link #toString}. */
  private static final int MAX_SHOWN = 8;

  /** Inclusive ends of the intervals: ascending, disjoint and with gaps between them. */
  private final long[] lows;

  private final long[] highs;

  private IdFilter(long[] lows, long[] highs) {
    this.lows = lows;
    this.highs = highs;
  }

  /** Collects intervals in the order of their lower ends, joining those that touch. */
  private static final class Builder {
    private long[] lows;
    private long[] highs;
    private int size;

    Builder(int capacity) {
      lows = new long[capacity];
      highs = new long[capacity];
    }

    void add(long low, long high) {
      // Without overflow: a high end of MAX_VALUE touches all that follows.
      if (size > 0 && (highs[size - 1] == Long.MAX_VALUE || low <= highs[size - 1] + 1)) {
        highs[size - 1] = Math.max(highs[size - 1], high);
        return;
      }
      if (size == lows.length) {
        int capacity = Math.max(16, 2 * size);
        lows = Arrays.copyOf(lows, capacity);
        highs = Arrays.copyOf(highs, capacity);
      }
      lows[size] = low;
      highs[size] = high;
      size++;
    }

    IdFilter build() {
      return size == 0 ? NONE : new IdFilter(Arrays.copyOf(lows, size), Arrays.copyOf(highs, size));
    }
  }

  /** Every id. */
  public static IdFilter all() {
    return ALL;
  }

  /** No id. */
  public static IdFilter none() {
    return NONE;
  }

  /**
   * These ids.
   *
   * @param ids in any order; repeated ones count once
   */
  public static IdFilter of(long... ids) {
    long[] sorted = ids.clone();
    Arrays.sort(sorted);
    var builder = new Builder(Math.min(sorted.length, 16));
    for (long id : sorted) {
      builder.add(id, id);
    }
    return builder.build();
  }

  /**
   * The ids from one to another.
   *
   * @param lowInclusive the first id that is allowed
   * @param highExclusive the first one after it that is not
   * @throws IllegalArgumentException if the end lies before the beginning
   */
  public static IdFilter range(long lowInclusive, long highExclusive) {
    if (highExclusive < lowInclusive) {
      throw Checks.illegal("highExclusive", highExclusive, lowInclusive + " or more");
    }
    return highExclusive == lowInclusive
        ? NONE
        : new IdFilter(new long[] {lowInclusive}, new long[] {highExclusive - 1});
  }

  /**
   * The ids of a 64-bit Roaring bitmap.
   *
   * @param bitmap the portable serialised form
   * @throws IllegalArgumentException if it is not one
   */
  public static IdFilter roaring(byte[] bitmap) {
    NativeFilter.Intervals intervals = NativeFilter.roaring(bitmap);
    var builder = new Builder(intervals.lows().length);
    for (int i = 0; i < intervals.lows().length; i++) {
      builder.add(intervals.lows()[i], intervals.highs()[i]);
    }
    return builder.build();
  }

  /**
   * The ids of both sets.
   *
   * @param other the other set
   */
  public IdFilter and(IdFilter other) {
    var builder = new Builder(Math.max(lows.length, other.lows.length));
    int i = 0;
    int j = 0;
    while (i < lows.length && j < other.lows.length) {
      long low = Math.max(lows[i], other.lows[j]);
      long high = Math.min(highs[i], other.highs[j]);
      if (low <= high) {
        builder.add(low, high);
      }
      if (highs[i] < other.highs[j]) {
        i++;
      } else {
        j++;
      }
    }
    return builder.build();
  }

  /**
   * The ids of either set.
   *
   * @param other the other set
   */
  public IdFilter or(IdFilter other) {
    var builder = new Builder(Math.max(lows.length, other.lows.length));
    int i = 0;
    int j = 0;
    while (i < lows.length || j < other.lows.length) {
      if (j == other.lows.length || (i < lows.length && lows[i] <= other.lows[j])) {
        builder.add(lows[i], highs[i]);
        i++;
      } else {
        builder.add(other.lows[j], other.highs[j]);
        j++;
      }
    }
    return builder.build();
  }

  /** The ids that are not in this set. */
  public IdFilter not() {
    var builder = new Builder(lows.length + 1);
    long next = Long.MIN_VALUE;
    for (int i = 0; i < lows.length; i++) {
      if (lows[i] > next) {
        builder.add(next, lows[i] - 1);
      }
      if (highs[i] == Long.MAX_VALUE) {
        return builder.build();
      }
      next = highs[i] + 1;
    }
    builder.add(next, Long.MAX_VALUE);
    return builder.build();
  }

  /**
   * Whether an id is in this set.
   *
   * @param id any id
   */
  public boolean contains(long id) {
    int at = Arrays.binarySearch(lows, id);
    int interval = at >= 0 ? at : -at - 2;
    return interval >= 0 && id <= highs[interval];
  }

  /** Whether no id is in this set. */
  public boolean isEmpty() {
    return lows.length == 0;
  }

  boolean isAll() {
    return lows.length == 1 && lows[0] == Long.MIN_VALUE && highs[0] == Long.MAX_VALUE;
  }

  NativeFilter toNative() {
    return NativeFilter.of(lows, highs);
  }

  /** Whether the other set has the same ids. */
  @Override
  public boolean equals(Object other) {
    return other == this
        || (other instanceof IdFilter that
            && Arrays.equals(lows, that.lows)
            && Arrays.equals(highs, that.highs));
  }

  /** A hash of the ids. */
  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(lows) + Arrays.hashCode(highs);
  }

  /** The first intervals, for people to read. */
  @Override
  public String toString() {
    var text = new StringBuilder("IdFilter[");
    for (int i = 0; i < lows.length && i < MAX_SHOWN; i++) {
      text.append(i == 0 ? "" : ", ").append(lows[i]);
      if (highs[i] != lows[i]) {
        text.append("..").append(highs[i]);
      }
    }
    if (lows.length > MAX_SHOWN) {
      text.append(", and ").append(lows.length - MAX_SHOWN).append(" more intervals");
    }
    return text.append(']').toString();
  }
}
