package io.ruvector.index;

import java.util.Iterator;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * An index that keeps the vectors that it was given, bit for bit, under every metric.
 *
 * <p>An {@link IvfIndex} does not where its options say {@link Originals#NONE}, as {@link
 * IndexInfo#originals()} tells: then each of these methods throws {@link IndexException} with the
 * code {@code UNSUPPORTED}.
 */
public interface KeepsOriginals extends Iterable<IdVector> {
  /**
   * The vector of an id, bit for bit; empty if there is none.
   *
   * @param id any id
   * @throws IllegalStateException if the index is closed
   */
  Optional<float[]> get(long id);

  /**
   * All rows of the index as it is now; later changes are not seen. Close the stream if it is not
   * read to its end: it keeps those rows in memory.
   *
   * @throws IllegalStateException if the index is closed
   */
  Stream<IdVector> originals();

  /**
   * All rows of the index as it is now; later changes are not seen. An iterator that is not read to
   * its end keeps those rows in memory until it is garbage; {@link #originals()} can be closed.
   *
   * @throws IllegalStateException if the index is closed
   */
  @Override
  Iterator<IdVector> iterator();
}
