package io.ruvector.internal;

import io.ruvector.index.BatchResult;
import io.ruvector.index.IdFilter;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexKind;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.SearchResult;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** What other packages of this library may do with indexes that their users may not. */
public abstract class IndexAccess {
  private static volatile @Nullable IndexAccess instance;

  /** For the package of indexes, once. */
  public static void set(IndexAccess access) {
    instance = access;
  }

  public static IndexAccess get() {
    IndexAccess access = instance;
    if (access == null) {
      try {
        Class.forName("io.ruvector.index.AbstractIndex", true, IndexAccess.class.getClassLoader());
      } catch (ClassNotFoundException e) {
        throw new AssertionError(e);
      }
      access = instance;
    }
    if (access == null) {
      throw new AssertionError("AbstractIndex has set no access");
    }
    return access;
  }

  /** The public class for a native index, which it owns from then on. */
  public abstract VectorIndex wrap(NativeIndex index);

  /** A search that another thread can stop, within so many nanoseconds; 0: no limit. */
  public abstract SearchResult search(
      VectorIndex index,
      SearchRequest request,
      @Nullable Cancellation cancellation,
      long timeoutNanos);

  /** The same for a batch. */
  public abstract BatchResult searchBatch(
      VectorIndex index,
      Vectors queries,
      SearchRequest template,
      @Nullable Cancellation cancellation,
      long timeoutNanos);

  /** No hits. */
  public abstract SearchResult none();

  /** No hits, for a request that an index without rows would take. */
  public abstract SearchResult none(SearchRequest request, int dim);

  /** No hits for each query. */
  public abstract BatchResult none(Vectors queries, SearchRequest template, int dim);

  /** A request that nobody else can change. */
  public abstract SearchRequest detached(SearchRequest request);

  /** The limit of a request's time; 0: none. */
  public abstract long timeoutNanos(SearchRequest request);

  /** A copy of a request's query. */
  public abstract float[] query(SearchRequest request);

  /**
   * The ids that may be hits of a request.
   *
   * @throws IllegalArgumentException if its filter is prepared for one index
   */
  public abstract IdFilter filter(SearchRequest request);

  /** Hits that no index has found. */
  public abstract SearchResult result(long[] ids, float[] scores);

  /** Rows as native code takes them. */
  public abstract NativeIndex.Rows rows(Vectors vectors);

  /** Ids for so many rows, as native code takes them; a heap array is copied into the arena. */
  public abstract NativeIndex.RowIds ids(Ids ids, long rows, Arena arena);

  /** What an index is made of, in the native side's numbers. */
  public abstract NativeIndex.Options options(IndexKind kind, IndexOptions options);

  /** Refuses memory of one thread, for a call that runs on another one. */
  public abstract void checkShareable(Vectors vectors);
}
