package io.ruvector.index;

import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeFilter;

/**
 * A filter with its bitmap over the rows of one index, for use with many searches of that index.
 * When rows are added or removed, the next search makes the bitmap again by itself.
 *
 * <p>Safe for use from many threads. Whoever prepared it closes it; closing it during a search is
 * safe, and later searches with it get {@link IllegalStateException}.
 */
public final class PreparedFilter implements AutoCloseable {
  private final VectorIndex index;
  private final IdFilter filter;
  private final NativeFilter prepared;
  private final long allowed;

  PreparedFilter(VectorIndex index, IdFilter filter, NativeFilter prepared, long allowed) {
    this.index = index;
    this.filter = filter;
    this.prepared = prepared;
    this.allowed = allowed;
  }

  /** The set of ids. */
  public IdFilter filter() {
    return filter;
  }

  /** How many rows of the index it allowed when it was prepared. */
  public long allowed() {
    return allowed;
  }

  NativeFilter nativeFilter() {
    return prepared;
  }

  /** Refuses a search of another index than the one that this was prepared for. */
  void checkIndex(VectorIndex searched) {
    if (!searched.equals(index)) {
      throw Checks.illegal(
          "filter",
          "prepared for %s".formatted(index),
          "filters prepared for %s".formatted(searched));
    }
  }

  /** Gives the bitmap back. Never throws, never waits. */
  @Override
  public void close() {
    prepared.close();
  }
}
