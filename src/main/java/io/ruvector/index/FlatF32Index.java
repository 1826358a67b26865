package io.ruvector.index;

import io.ruvector.internal.NativeIndex;
import java.util.Iterator;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * An index that keeps vectors as they are and compares the query with each of them: exact, the
 * ground truth for the other kinds, and fast enough for some ten thousand rows.
 *
 * <p>Memory: {@code 4 * dim} bytes a row; ids that are not consecutive take 4 to 12 bytes more. A
 * search reads all of it.
 *
 * <p>Thread-safety and closing: see {@link VectorIndex}.
 */
public final class FlatF32Index extends AbstractIndex implements KeepsOriginals {
  FlatF32Index(NativeIndex index) {
    super(index, IndexKind.FLAT_F32);
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
  public static FlatF32Index create(int dim, IndexOptions options) {
    return new FlatF32Index(create("FlatF32Index", IndexKind.FLAT_F32, dim, options));
  }

  /**
   * An index of rows with the ids 0, 1 and so on, built by all threads of the native pool.
   *
   * @param vectors the rows; not needed any more when this returns, unless {@code options} say
   *     {@link Originals#ADOPT}
   * @param options what it is made of
   * @throws InvalidVectorException if the metric cannot hold one of the vectors
   * @throws IllegalArgumentException if the kind, or where the vectors are, does not allow the
   *     options
   * @throws io.ruvector.NativeLibraryException if the native library cannot be loaded
   */
  public static FlatF32Index build(Vectors vectors, IndexOptions options) {
    return build(vectors, Ids.from(0), options);
  }

  /**
   * An index of rows, built by all threads of the native pool.
   *
   * @param vectors the rows; not needed any more when this returns, unless {@code options} say
   *     {@link Originals#ADOPT}
   * @param ids an id for each row, each once
   * @param options what it is made of
   * @throws DuplicateIdException if an id is given twice
   * @throws InvalidVectorException if the metric cannot hold one of the vectors
   * @throws IllegalArgumentException if there are more or fewer ids than rows, or if the kind, or
   *     where the vectors are, does not allow the options
   * @throws io.ruvector.NativeLibraryException if the native library cannot be loaded
   */
  public static FlatF32Index build(Vectors vectors, Ids ids, IndexOptions options) {
    return new FlatF32Index(build("FlatF32Index", IndexKind.FLAT_F32, vectors, ids, options));
  }

  @Override
  public Optional<float[]> get(long id) {
    return original(id);
  }

  @Override
  public Stream<IdVector> originals() {
    return streamOriginals();
  }

  @Override
  public Iterator<IdVector> iterator() {
    return iterateOriginals();
  }
}
