package io.ruvector.index;

import io.ruvector.internal.NativeIndex;
import java.util.Iterator;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * An index that divides its rows into cells, each around a centroid, and looks only into the cells
 * nearest to the query: for sets too large to be scanned. Cells hold codes as in {@link
 * RabitqPlusIndex}, and the best candidates are ranked again with the originals, so that scores are
 * exact; with {@link Originals#NONE} there are only codes, and scores are estimates.
 *
 * <p>{@code nlist} cells are trained by k-means on a sample of the rows when the index is built;
 * one that starts empty is divided once it has rows enough to train on, and again as they double.
 * Without originals only half of the cells are new then, and rows of the others that go are coded
 * again from their codes: build of all rows at once where you can. A search looks into the {@code
 * nprobe} nearest cells, the recall knob beside {@code epsilon}; it stops before where the others
 * lie much further than the nearest, and looks into more where these hold fewer than k hits. A
 * range search looks into all that could hold one.
 *
 * <p>Memory: as {@link RabitqPlusIndex}, or {@link RabitqAsymIndex} without originals, and about
 * {@code 17 * dim} bytes for each cell; up to 31 places of each cell's last block are empty.
 *
 * {@snippet lang=java :
 * var options = IndexOptions.defaults().nlist(1_024).nprobe(16);
 * try (var index = IvfIndex.build(Vectors.copyOf(rows), options)) {
 *   SearchResult more = index.search(SearchRequest.of(query).k(10).nprobe(64));
 * }
 * }
 *
 * <p>Thread-safety and closing: see {@link VectorIndex}.
 */
public final class IvfIndex extends AbstractIndex implements KeepsOriginals {
  IvfIndex(NativeIndex index) {
    super(index, IndexKind.IVF);
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
  public static IvfIndex create(int dim, IndexOptions options) {
    return new IvfIndex(create("IvfIndex", IndexKind.IVF, dim, options));
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
  public static IvfIndex build(Vectors vectors, IndexOptions options) {
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
  public static IvfIndex build(Vectors vectors, Ids ids, IndexOptions options) {
    return new IvfIndex(build("IvfIndex", IndexKind.IVF, vectors, ids, options));
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
