package io.ruvector.index;

import io.ruvector.DeadlineExceededException;
import io.ruvector.NativeLibraryException;
import io.ruvector.RuVectorException;
import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeIndex;
import io.ruvector.internal.NativeLibrary;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.Stream;

/**
 * Vectors with ids, to be searched for the nearest ones.
 *
 * <p>Safe for use from many threads: a search sees the last change that was completed when it
 * began, whole, and never waits for a writer; writers wait for each other. Each of these methods,
 * but for {@link #close()} and {@link #isClosed()}, throws {@link IllegalStateException} once the
 * index is closed, and {@link RuVectorException} with the code {@code POISONED} if an earlier fault
 * of this library, inside a change, has made it unusable.
 *
 * <p>Whoever creates an index closes it. One that is forgotten is freed some time after it has
 * become garbage.
 */
public interface VectorIndex extends AutoCloseable {
  /**
   * Adds a row.
   *
   * @param id any id that is not in the index
   * @param vector as many components as the index has; copied
   * @throws DuplicateIdException if the id is in the index
   * @throws DimensionMismatchException if the vector has more or fewer components
   * @throws InvalidVectorException if the metric cannot hold the vector
   */
  void add(long id, float[] vector);

  /**
   * Adds rows: all, or none where this throws.
   *
   * @param vectors the rows; not needed any more when this returns
   * @param ids an id for each row, none of them in the index
   * @throws DuplicateIdException if an id is in the index, or given twice
   * @throws DimensionMismatchException if the rows have more or fewer components
   * @throws InvalidVectorException if the metric cannot hold one of the vectors
   * @throws IllegalArgumentException if there are more or fewer ids than rows
   */
  void addAll(Vectors vectors, Ids ids);

  /**
   * Adds a row, in place of the one that has the id, if any.
   *
   * @param id any id
   * @param vector as many components as the index has; copied
   * @return whether there was such a row
   * @throws DimensionMismatchException if the vector has more or fewer components
   * @throws InvalidVectorException if the metric cannot hold the vector
   */
  boolean upsert(long id, float[] vector);

  /**
   * Adds rows, in place of those that have their ids: all, or none where this throws.
   *
   * @param vectors the rows; not needed any more when this returns
   * @param ids an id for each row
   * @return how many rows were replaced
   * @throws DuplicateIdException if an id is given twice
   * @throws DimensionMismatchException if the rows have more or fewer components
   * @throws InvalidVectorException if the metric cannot hold one of the vectors
   * @throws IllegalArgumentException if there are more or fewer ids than rows
   */
  long upsertAll(Vectors vectors, Ids ids);

  /**
   * Removes rows.
   *
   * @param ids any ids; those that are not in the index are passed over
   * @return how many rows were removed
   */
  long remove(long... ids);

  /**
   * Gives back what removed rows take. Searches find the same afterwards, but for an {@link
   * IvfIndex} with originals, which also divides its rows into cells anew.
   */
  void compact();

  /**
   * Whether a row has the id.
   *
   * @param id any id
   */
  boolean contains(long id);

  /**
   * The rows nearest to the query, with the index's defaults, on the calling thread.
   *
   * @param query as many components as the index has
   * @param k how many rows, 1 or more
   * @throws EmptyIndexException if the index has no rows
   * @throws DimensionMismatchException if the query has more or fewer components
   * @throws InvalidVectorException if the query has a component that is not finite, or is zero
   *     under the cosine metric
   * @throws IllegalArgumentException if {@code k} is less than 1
   */
  SearchResult search(float[] query, int k);

  /**
   * The rows nearest to the query, on the calling thread.
   *
   * @param request the query, and how to search
   * @throws EmptyIndexException if the index has no rows
   * @throws DimensionMismatchException if the query has more or fewer components
   * @throws InvalidVectorException if the query has a component that is not finite, or is zero
   *     under the cosine metric
   * @throws DeadlineExceededException if the request's time ran out
   * @throws IllegalArgumentException if the request is a template without a query, or its filter is
   *     prepared for another index
   */
  SearchResult search(SearchRequest request);

  /**
   * The same with the hits in the caller's arrays, so that nothing is allocated.
   *
   * @param request the query, and how to search
   * @param ids room for {@code k} ids
   * @param scores room for {@code k} scores
   * @return how many hits there are; what the arrays hold after them is left as it was
   * @throws EmptyIndexException if the index has no rows
   * @throws DimensionMismatchException if the query has more or fewer components
   * @throws InvalidVectorException if the query has a component that is not finite, or is zero
   *     under the cosine metric
   * @throws DeadlineExceededException if the request's time ran out
   * @throws IllegalArgumentException if an array is too short, the request is a template without a
   *     query, or its filter is prepared for another index
   */
  int search(SearchRequest request, long[] ids, float[] scores);

  /**
   * The rows nearest to the query, found on a thread of a pool: {@code min(8, cores)} of them
   * unless configured. The query is copied before this returns. To cancel the future, or to
   * complete it in any other way, stops the search. The request's time counts from this call.
   *
   * @param request the query, and how to search
   * @return the hits, or what {@link #search(SearchRequest)} throws, as the cause of the usual
   *     {@link java.util.concurrent.ExecutionException}
   * @throws RejectedExecutionException if 1,024 calls are waiting
   * @throws DimensionMismatchException if the query has more or fewer components
   * @throws IllegalArgumentException if the request is a template without a query, or its filter is
   *     prepared for another index
   */
  CompletableFuture<SearchResult> searchAsync(SearchRequest request);

  /**
   * The rows nearest to each of the queries, found by all threads of the native pool. Recall is the
   * same as that of single searches; ties in the estimates may fall another way.
   *
   * @param queries rows of as many components as the index has
   * @param template how to search; a query of its own is not used
   * @throws EmptyIndexException if the index has no rows
   * @throws DimensionMismatchException if the queries have more or fewer components
   * @throws InvalidVectorException if a query has a component that is not finite, or is zero under
   *     the cosine metric
   * @throws DeadlineExceededException if the request's time ran out
   * @throws IllegalArgumentException if more than 2^31 - 9 hits are asked for, or the filter is
   *     prepared for another index
   */
  BatchResult searchBatch(Vectors queries, SearchRequest template);

  /**
   * The same with the hits in the caller's memory, {@code k} places for each query. Unused places
   * get the id -1 and an infinite score.
   *
   * @param queries rows of as many components as the index has
   * @param template how to search; a query of its own is not used
   * @param ids off-heap room for {@code rows * k} 64-bit ids, at an address that is a multiple of 8
   * @param scores off-heap room for {@code rows * k} floats, at an address that is a multiple of 4
   * @return what all searches together did
   * @throws EmptyIndexException if the index has no rows
   * @throws DimensionMismatchException if the queries have more or fewer components
   * @throws InvalidVectorException if a query has a component that is not finite, or is zero under
   *     the cosine metric
   * @throws DeadlineExceededException if the request's time ran out
   * @throws IllegalArgumentException if the memory is on the heap, misaligned, read-only, too small
   *     or overlapping, or the filter is prepared for another index
   */
  SearchStats searchBatch(
      Vectors queries, SearchRequest template, MemorySegment ids, MemorySegment scores);

  /**
   * {@link #searchBatch(Vectors, SearchRequest)} on a thread of the pool of {@link #searchAsync}.
   * The queries are not copied: they must stay as they are until the future is done and, where it
   * was completed early, for the moment until the search has stopped.
   *
   * @param queries rows of as many components as the index has, in memory that any thread may
   *     access
   * @param template how to search; a query of its own is not used
   * @throws RejectedExecutionException if 1,024 calls are waiting
   * @throws IllegalArgumentException if the memory is confined to one thread
   */
  CompletableFuture<BatchResult> searchBatchAsync(Vectors queries, SearchRequest template);

  /**
   * {@link #searchBatch(Vectors, SearchRequest, MemorySegment, MemorySegment)} on a thread of the
   * pool of {@link #searchAsync}. The queries are not copied: they must stay as they are, and the
   * memory of the results open, until the future is done and, where it was completed early, for the
   * moment until the search has stopped.
   *
   * @param queries rows of as many components as the index has, in memory that any thread may
   *     access
   * @param template how to search; a query of its own is not used
   * @param ids room as in the synchronous call, in memory that any thread may access
   * @param scores room as in the synchronous call, in memory that any thread may access
   * @throws RejectedExecutionException if 1,024 calls are waiting
   * @throws IllegalArgumentException if some of the memory is confined to one thread
   */
  CompletableFuture<SearchStats> searchBatchAsync(
      Vectors queries, SearchRequest template, MemorySegment ids, MemorySegment scores);

  /**
   * All rows within a radius, whatever their cells. Where no originals are kept, scores are
   * estimates, and {@link RangeResult#certain()} tells the sure hits.
   *
   * @param request the query and the radius
   * @throws EmptyIndexException if the index has no rows
   * @throws DimensionMismatchException if the query has more or fewer components
   * @throws InvalidVectorException if the query has a component that is not finite, or is zero
   *     under the cosine metric
   * @throws DeadlineExceededException if the request's time ran out
   */
  RangeResult searchRange(RangeRequest request);

  /**
   * Finds the cheapest settings that find a part of the true 10 nearest rows, by measuring: see
   * {@link #tune(TuneRequest)}.
   *
   * @param queries 40 or more, as they will be asked, and not rows of the index
   * @param recall above 0, at most 1
   * @throws EmptyIndexException if the index has no rows
   * @throws DimensionMismatchException if the queries have more or fewer components
   * @throws IllegalArgumentException if there are too few queries, {@code recall} is out of range,
   *     or the index keeps no originals to find the true neighbours with
   * @throws DeadlineExceededException if a minute is too short for one setting
   */
  default Tuning tune(Vectors queries, double recall) {
    return tune(TuneRequest.of(queries, recall));
  }

  /**
   * Finds the cheapest settings that reach a recall, by measuring on this machine. They are chosen
   * on one half of the queries, with a margin for what the other half may be worse by, and judged
   * on that one: its recall reaches what was asked for 19 times in 20, where the index can.
   *
   * <p>Searches run on the calling thread, one after another: let nothing else load it, and do not
   * change the index meanwhile. The true neighbours, where they are not given, are found by all
   * threads of the native pool, in some 32 MB of memory.
   *
   * @param request the queries and the recall
   * @throws EmptyIndexException if the index has no rows
   * @throws DimensionMismatchException if the queries have more or fewer components
   * @throws InvalidVectorException if a query has a component that is not finite, or is zero under
   *     the cosine metric
   * @throws IllegalArgumentException if the index keeps no originals and no truth is given, or a
   *     truth has fewer than k ids for a query, or ids that are not in the index
   * @throws DeadlineExceededException if the time is too short to try and to judge one setting
   */
  default Tuning tune(TuneRequest request) {
    return new Tuner(this, request).tune();
  }

  /**
   * Turns a filter into a bitmap over the rows of this index, for use with many searches.
   *
   * @param filter the ids that may be hits
   */
  PreparedFilter prepare(IdFilter filter);

  /** What the index is and holds now. */
  IndexInfo info();

  /** How many rows can be found. */
  long size();

  /** How much private memory the index takes, in bytes; a mapped file is not counted. */
  long memoryBytes();

  /**
   * The codes of all rows as they are now; later changes are not seen. In an {@link IvfIndex} each
   * is relative to the centroid of its cell. Close the stream if it is not read to its end: it
   * keeps those rows in memory.
   *
   * @throws IndexException with the code {@code UNSUPPORTED} if the kind has no codes
   */
  Stream<RowCode> codes();

  /** The rotation that the codes are made with. */
  Rotation rotation();

  /**
   * Writes the index to a file that {@link #open(Path)} reads: the old file or the new one is
   * there, whatever happens meanwhile.
   *
   * @param file a file of the default file system, in a folder that exists
   * @throws PersistException if it cannot be written
   */
  void save(Path file);

  /**
   * Writes the index to a file of the upstream project's format.
   *
   * @param file a file of the default file system, in a folder that exists
   * @throws IndexException with the code {@code UNSUPPORTED} if the format cannot hold an id, or
   *     the metric
   * @throws PersistException if it cannot be written
   */
  void exportRbpx(Path file);

  /**
   * Whether the other index has the same options, ids and vectors or codes, whatever the order of
   * the changes that led there.
   *
   * @param other an index of this library
   * @throws IllegalArgumentException if it is not one
   */
  boolean contentEquals(VectorIndex other);

  /** Whether {@link #close()} has been called. */
  boolean isClosed();

  /**
   * Frees the index: now, or when the last call inside has returned. Never throws, never waits; a
   * second call does nothing.
   */
  @Override
  void close();

  /**
   * Opens a saved index of any kind by mapping its file, in milliseconds, whatever its size. The
   * file must not be shortened by anybody while the index is open: the system would end the
   * process.
   *
   * @param file what {@link #save} wrote
   * @throws PersistException if it cannot be read, or is not what {@link #save} wrote; the message
   *     names the section
   * @throws NativeLibraryException if the native library cannot be loaded
   */
  static VectorIndex open(Path file) {
    return open(file, OpenOptions.defaults());
  }

  /**
   * Opens a saved index of any kind.
   *
   * @param file what {@link #save} wrote
   * @param options where its content is to be, and whether it is verified
   * @throws PersistException if it cannot be read, or is not what {@link #save} wrote; the message
   *     names the section
   * @throws NativeLibraryException if the native library cannot be loaded
   */
  static VectorIndex open(Path file, OpenOptions options) {
    return AbstractIndex.of(
        NativeIndex.open(file.toString(), file, options.mode().number(), options.verify()));
  }

  /**
   * Reads a saved index of any kind into memory: for a file that others may change.
   *
   * @param file what {@link #save} wrote
   * @throws PersistException if it cannot be read, or is not what {@link #save} wrote; the message
   *     names the section
   * @throws NativeLibraryException if the native library cannot be loaded
   */
  static VectorIndex load(Path file) {
    return open(file, OpenOptions.of(OpenMode.IN_MEMORY));
  }

  /**
   * Compares every checksum of a saved index, which finds any changed bit.
   *
   * @param file what {@link #save} wrote
   * @throws PersistException if it cannot be read, or a checksum differs; the message names the
   *     section
   * @throws NativeLibraryException if the native library cannot be loaded
   */
  static void verify(Path file) {
    NativeIndex.verify(file);
  }

  /**
   * Reads an index from a file of the upstream project's format.
   *
   * @param file what the upstream project, or {@link #exportRbpx}, wrote
   * @throws PersistException if it cannot be read, or is not of that format
   * @throws NativeLibraryException if the native library cannot be loaded
   */
  static VectorIndex importRbpx(Path file) {
    return AbstractIndex.of(NativeIndex.importRbpx(file.toString(), file, null));
  }

  /**
   * Parameters that should reach a recall of the true 10 nearest rows, from a measured model: what
   * reached it on each of the sets that were measured, and the kind that was fastest there.
   *
   * @param rows how many rows the index will have, 0 or more
   * @param dim components of each row, 1 to 8,192
   * @param recall the recall to reach, above 0, at most 1
   * @throws IllegalArgumentException if an argument is out of range
   */
  static Recommendation recommend(long rows, int dim, double recall) {
    if (rows < 0) {
      throw Checks.illegal("rows", rows, "0 or more");
    }
    Checks.dim(dim);
    float target = SearchRequest.checkRecall(recall);
    NativeLibrary.Recommended found = NativeLibrary.recommend(rows, dim, target);
    return new Recommendation(
        IndexKind.ofNumber(found.kind()),
        found.bits(),
        found.nlist(),
        found.nprobe(),
        found.rerankFactor(),
        found.epsilon(),
        found.expectedRecall(),
        found.rowBytes());
  }
}
