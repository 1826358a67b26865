package io.ruvector.lake;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;

/**
 * Takes the rows of one collection while a {@link BackendAdapter} pulls them. Nothing of them is
 * served before the pull returned normally and the generation agrees.
 *
 * <p>A sink belongs to one call of {@link BackendAdapter#pull} and is used by one thread at a time.
 * Each of its methods throws {@link java.util.concurrent.CancellationException} once nobody waits
 * for the pull any more, or the lake is closed: let it pass.
 */
public interface VectorSink {
  /**
   * Says what comes, so that memory is taken once. Optional, except where no row comes at all.
   *
   * @param rows about how many rows
   * @param dim components of each row, 1 to 8,192
   * @throws IllegalArgumentException if {@code dim} is out of range or not that of rows that came
   * @throws LakeException if so many rows exceed the lake's memory budget
   */
  void expect(long rows, int dim);

  /**
   * Says which generation the rows belong to. For backends that read a whole collection in one
   * snapshot; of others the lake reads the generation before and after the pull, and pulls again
   * where the two differ.
   *
   * @param generation that of the snapshot
   */
  void snapshot(Generation generation);

  /**
   * Takes rows, which may be reused or freed afterwards. Off-heap rows cross without a copy on the
   * way.
   *
   * @param rows rows of the collection's dimension
   * @param ids their ids, one for each, none of which came before
   * @throws io.ruvector.index.DimensionMismatchException if earlier rows had another dimension
   * @throws LakeException if the rows exceed the lake's memory budget
   */
  void add(Vectors rows, Ids ids);
}
