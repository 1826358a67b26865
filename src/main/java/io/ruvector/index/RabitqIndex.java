package io.ruvector.index;

import io.ruvector.internal.NativeIndex;

/**
 * An index that keeps one bit for each component, and no originals: the smallest. Scores are
 * estimates; ask for more hits than are needed and rank them elsewhere.
 *
 * <p>Memory: about {@code dim / 8 + 4} bytes a row; ids that are not consecutive take 4 to 12 bytes
 * more.
 *
 * <p>Thread-safety and closing: see {@link VectorIndex}.
 */
public final class RabitqIndex extends AbstractIndex {
  RabitqIndex(NativeIndex index) {
    super(index, IndexKind.RABITQ);
  }

  /**
   * An index without rows.
   *
   * @param dim components of each vector, 1 to 8,192
   * @param options what it is made of
   * @throws IllegalArgumentException if {@code dim} is out of range, or the kind does not allow the
   *     options
   * @throws io.ruvector.NativeLibraryException if the native library cannot be loaded
   */
  public static RabitqIndex create(int dim, IndexOptions options) {
    return new RabitqIndex(create("RabitqIndex", IndexKind.RABITQ, dim, options));
  }

  /**
   * An index of rows with the ids 0, 1 and so on, built by all threads of the native pool.
   *
   * @param vectors the rows; not needed any more when this returns
   * @param options what it is made of
   * @throws InvalidVectorException if the metric cannot hold one of the vectors
   * @throws IllegalArgumentException if the kind, or where the vectors are, does not allow the
   *     options
   * @throws io.ruvector.NativeLibraryException if the native library cannot be loaded
   */
  public static RabitqIndex build(Vectors vectors, IndexOptions options) {
    return build(vectors, Ids.from(0), options);
  }

  /**
   * An index of rows, built by all threads of the native pool.
   *
   * @param vectors the rows; not needed any more when this returns
   * @param ids an id for each row, each once
   * @param options what it is made of
   * @throws DuplicateIdException if an id is given twice
   * @throws InvalidVectorException if the metric cannot hold one of the vectors
   * @throws IllegalArgumentException if there are more or fewer ids than rows, or if the kind, or
   *     where the vectors are, does not allow the options
   * @throws io.ruvector.NativeLibraryException if the native library cannot be loaded
   */
  public static RabitqIndex build(Vectors vectors, Ids ids, IndexOptions options) {
    return new RabitqIndex(build("RabitqIndex", IndexKind.RABITQ, vectors, ids, options));
  }
}
