package io.ruvector.lake;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.internal.IndexAccess;
import io.ruvector.internal.NativeBackend;
import java.lang.foreign.Arena;
import java.lang.ref.Reference;
import java.util.List;

/**
 * Vectors in memory, written row by row and pulled in snapshots; a lake that has a collection of it
 * cached takes in what changed and no more.
 *
 * <p>Memory: {@code 4 * dim} bytes and 8 to 20 for the id of each row, apart from what lakes cache
 * of it.
 *
 * <p>Safe for use from many threads. Whoever creates it closes it; lakes that it is registered with
 * keep its rows until they are closed.
 */
public final class LocalBackend implements Backend, AutoCloseable {
  private final String id;
  private final NativeBackend backend;

  private LocalBackend(String id, NativeBackend backend) {
    this.id = id;
    this.backend = backend;
  }

  /**
   * A backend without collections.
   *
   * @param id the name that lakes know it by
   * @throws IllegalArgumentException if the name is empty or has characters that no name may have
   */
  public static LocalBackend create(String id) {
    return new LocalBackend(id, NativeBackend.local(id));
  }

  @Override
  public String id() {
    return id;
  }

  @Override
  public List<String> collections() {
    return backend.collections();
  }

  /**
   * Makes the rows of a collection these, whatever it held; makes it where there is none.
   *
   * @param collection its name
   * @param rows its rows
   * @param ids an id for each row, each once
   */
  public void replace(String collection, Vectors rows, Ids ids) {
    write(rows, ids, (r, i) -> backend.replace(collection, r, i));
  }

  /**
   * Adds rows in place of those of the same ids; makes the collection where there is none.
   *
   * @param collection its name
   * @param rows rows of the collection's dimension
   * @param ids an id for each row, each once
   */
  public void upsert(String collection, Vectors rows, Ids ids) {
    write(rows, ids, (r, i) -> backend.upsert(collection, r, i));
  }

  /**
   * Removes rows; ids that are not there are passed over.
   *
   * @return how many there were
   * @throws LakeException if there is no such collection
   */
  public long remove(String collection, long... ids) {
    return backend.remove(collection, ids);
  }

  /** Forgets a collection; false if there was none. */
  public boolean drop(String collection) {
    return backend.drop(collection);
  }

  /** What writes rows in the native side's terms. */
  @FunctionalInterface
  interface Writer {
    void write(
        io.ruvector.internal.NativeIndex.Rows rows, io.ruvector.internal.NativeIndex.RowIds ids);
  }

  static void write(Vectors rows, Ids ids, Writer writer) {
    IndexAccess access = IndexAccess.get();
    try (var arena = Arena.ofConfined()) {
      writer.write(access.rows(rows), access.ids(ids, rows.rows(), arena));
    } finally {
      Reference.reachabilityFence(rows);
      Reference.reachabilityFence(ids);
    }
  }

  NativeBackend nativeBackend() {
    return backend;
  }

  @Override
  public void close() {
    backend.close();
  }
}
