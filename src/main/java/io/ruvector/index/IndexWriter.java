package io.ruvector.index;

import io.ruvector.NativeLibraryException;
import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeIndex;
import io.ruvector.internal.NativeIndex.RowIds;
import io.ruvector.internal.NativeWriter;
import java.lang.foreign.Arena;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Writes an index of any kind straight to a file, from rows that come in batches and need not fit
 * in memory.
 *
 * {@snippet lang=java :
 * var file = java.nio.file.Path.of("big.rvx");
 * var options = IndexOptions.defaults();
 * try (var writer = IndexWriter.create(file, IndexKind.IVF, 128, options, 1L << 30)) {
 *   writer.add(Vectors.copyOf(rows)); // as often as there are batches
 *   writer.finish();
 * }
 * }
 *
 * <p>Batches are kept in a temporary file beside the target until {@link #finish()}, which reads
 * them some four times; that file becomes the target where the kind keeps originals. Until then,
 * and where anything fails, what was at the target stays there and nothing else is left behind.
 *
 * <p>{@code maxBytes} is the memory that the writer takes for itself, all told. An {@link IvfIndex}
 * is trained on 128 rows for each cell where memory allows, then the file is byte for byte that of
 * an index built in memory; with less memory on fewer rows, down to 39, and then, unless {@code
 * nlist} is given, with fewer cells, down to a quarter. At least some 40 bytes a row are needed, 24
 * by kinds without cells, and a sixteenth of the codes; what is too little is refused with the
 * least that would do.
 *
 * <p>Safe for use from many threads, whose batches are added one after another. Whoever creates a
 * writer closes it.
 */
public final class IndexWriter implements AutoCloseable {
  private final NativeWriter writer;
  private final int dim;

  /** Not a monitor, which would pin a virtual thread. */
  private final ReentrantLock lock = new ReentrantLock();

  private long rows;

  private IndexWriter(NativeWriter writer, int dim) {
    this.writer = writer;
    this.dim = dim;
  }

  /**
   * A writer of an index without rows so far.
   *
   * @param file where the index goes: in the default file system, in a folder that exists
   * @param kind what it is to be
   * @param dim components of each vector, 1 to 8,192
   * @param options what it is made of; originals go into the file unless an IVF index is to have
   *     none
   * @param maxBytes memory that the writer may take
   * @throws IllegalArgumentException if {@code dim} is out of range, the kind does not allow the
   *     options, or {@code maxBytes} is too little for any row
   * @throws PersistException if the file cannot be written
   * @throws NativeLibraryException if the native library cannot be loaded
   */
  public static IndexWriter create(
      Path file, IndexKind kind, int dim, IndexOptions options, long maxBytes) {
    Checks.dim(dim);
    var nativeOptions = AbstractIndex.nativeOptions(kind, dim, options);
    return new IndexWriter(NativeWriter.create(file, nativeOptions, checkMax(maxBytes)), dim);
  }

  /**
   * Writes the index of all rows of a view. Rows of a {@linkplain Vectors#map mapped file} are read
   * from it, so that its pages do not count as memory; the file must not change meanwhile.
   *
   * @param file where the index goes: in the default file system, in a folder that exists
   * @param kind what it is to be
   * @param vectors the rows
   * @param ids an id for each row, each once
   * @param options what it is made of; originals go into the file unless an IVF index is to have
   *     none
   * @param maxBytes memory that the call may take
   * @throws DuplicateIdException if an id is given twice
   * @throws InvalidVectorException if the metric cannot hold one of the vectors
   * @throws IllegalArgumentException if there are more or fewer ids than rows, the kind does not
   *     allow the options, or {@code maxBytes} is too little
   * @throws PersistException if a file cannot be read or written
   * @throws NativeLibraryException if the native library cannot be loaded
   */
  public static void buildTo(
      Path file, IndexKind kind, Vectors vectors, Ids ids, IndexOptions options, long maxBytes) {
    NativeIndex.FileRows rows = vectors.file();
    if (rows == null) {
      try (var writer = create(file, kind, vectors.dim(), options, maxBytes)) {
        writer.add(vectors, ids);
        writer.finish();
      }
      return;
    }
    var nativeOptions = AbstractIndex.nativeOptions(kind, vectors.dim(), options);
    try (var arena = Arena.ofConfined()) {
      RowIds rowIds = ids.forRows(vectors.rows(), arena);
      NativeIndex.buildTo(file, nativeOptions, rows, rowIds, checkMax(maxBytes));
    } finally {
      Reference.reachabilityFence(ids);
    }
  }

  private static long checkMax(long maxBytes) {
    if (maxBytes < 1) {
      throw Checks.illegal("maxBytes", maxBytes, "1 or more");
    }
    return maxBytes;
  }

  /**
   * Adds rows whose ids follow those of the rows before: 0, 1 and so on, if all rows are added in
   * this way. All rows, or none where this throws.
   *
   * @param vectors the rows; not needed any more when this returns
   * @throws DimensionMismatchException if the rows have more or fewer components
   * @throws InvalidVectorException if the metric cannot hold one of the vectors
   * @throws IllegalArgumentException if there are now too many rows for {@code maxBytes}
   * @throws IllegalStateException if the writer is finished or closed
   */
  public void add(Vectors vectors) {
    lock.lock();
    try {
      add(vectors, Ids.from(rows));
    } finally {
      lock.unlock();
    }
  }

  /**
   * Adds rows: all, or none where this throws.
   *
   * @param vectors the rows; not needed any more when this returns
   * @param ids an id for each row; one that comes twice is found by {@link #finish()}
   * @throws DimensionMismatchException if the rows have more or fewer components
   * @throws InvalidVectorException if the metric cannot hold one of the vectors
   * @throws IllegalArgumentException if there are more or fewer ids than rows, or now too many rows
   *     for {@code maxBytes}
   * @throws IllegalStateException if the writer is finished or closed
   */
  public void add(Vectors vectors, Ids ids) {
    if (vectors.dim() != dim) {
      throw new DimensionMismatchException(dim, vectors.dim());
    }
    lock.lock();
    try (var arena = Arena.ofConfined()) {
      RowIds rowIds = ids.forRows(vectors.rows(), arena);
      writer.add(vectors.nativeRows("vectors"), rowIds);
      rows += vectors.rows();
    } finally {
      lock.unlock();
      Reference.reachabilityFence(vectors);
      Reference.reachabilityFence(ids);
    }
  }

  /** How many rows have been added. */
  public long rows() {
    lock.lock();
    try {
      return rows;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Makes the index of all rows, by all threads of the native pool, and gives the file its name.
   * The writer is closed afterwards, also where this throws.
   *
   * @throws DuplicateIdException if an id was given twice; its row is counted over all batches
   * @throws PersistException if the file cannot be written
   * @throws IllegalStateException if the writer is finished or closed
   */
  public void finish() {
    lock.lock();
    try {
      writer.finish();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Removes what was written, unless the writer is finished. Never throws, never waits; a second
   * call does nothing.
   */
  @Override
  public void close() {
    writer.close();
  }
}
