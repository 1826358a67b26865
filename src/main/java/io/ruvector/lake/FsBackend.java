package io.ruvector.lake;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.internal.NativeBackend;
import java.nio.file.Path;
import java.util.List;

/**
 * Vectors in a folder of {@code ruvec1} files: each {@code NAME.ruvec1} is the collection {@code
 * NAME}, and other files are collections once they are {@linkplain #register registered}.
 *
 * <p>The format: {@code "ruvec1\0\0"}, the number of rows as 8 bytes, the dimension as 4, 4
 * reserved bytes, then for each row its id as 8 bytes and its floats, all little-endian.
 *
 * <p>A file's generation is its device, inode, size and times to the nanosecond, and where it was
 * written less than two seconds before it is looked at, a hash of its content.
 *
 * <p>Safe for use from many threads and processes, as long as these replace files by renaming, as
 * {@link #write} does. Whoever creates it closes it; lakes that it is registered with keep it until
 * they are closed.
 */
public final class FsBackend implements Backend, AutoCloseable {
  private final String id;
  private final Path root;
  private final NativeBackend backend;

  private FsBackend(String id, Path root, NativeBackend backend) {
    this.id = id;
    this.root = root;
    this.backend = backend;
  }

  /**
   * The collections of a folder, which is made where there is none.
   *
   * @param id the name that lakes know it by
   * @param root the folder
   * @throws IllegalArgumentException if the name is empty or has characters that no name may have
   * @throws io.ruvector.index.PersistException if the folder cannot be made
   */
  public static FsBackend open(String id, Path root) {
    return new FsBackend(id, root, NativeBackend.files(id, root));
  }

  @Override
  public String id() {
    return id;
  }

  /** The folder. */
  public Path root() {
    return root;
  }

  @Override
  public List<String> collections() {
    return backend.collections();
  }

  /**
   * Names a collection by a file of the folder, whether that is there yet or not.
   *
   * @param collection the name
   * @param file the file's name, without a path
   * @throws IllegalArgumentException if the file's name could leave the folder
   */
  public void register(String collection, String file) {
    backend.registerFile(collection, file);
  }

  /**
   * Writes the file of a collection: the old rows or the new ones are there, never a part.
   *
   * @param collection its name
   * @param rows its rows
   * @param ids an id for each row, each once
   * @throws io.ruvector.index.DuplicateIdException if an id is given twice
   * @throws io.ruvector.index.InvalidVectorException if a row is not finite or too large
   * @throws io.ruvector.index.PersistException if the file cannot be written
   */
  public void write(String collection, Vectors rows, Ids ids) {
    LocalBackend.write(rows, ids, (r, i) -> backend.replace(collection, r, i));
  }

  NativeBackend nativeBackend() {
    return backend;
  }

  @Override
  public void close() {
    backend.close();
  }
}
