package io.ruvector.bench.peers;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** An index of a peer: built into a folder, opened from it, searched on one thread. */
interface Engine extends AutoCloseable {
  /** Builds the index of these rows and writes it to an empty folder. */
  void build(float[][] base, Path folder) throws IOException;

  /** Opens what was built. */
  void open(float[][] base, float[][] queries, Path folder) throws IOException;

  /** Takes a setting of the sweep, such as {@code ef=64}. */
  void apply(Map<String, Integer> setting);

  /** Searches for the query of that number; the rows found, nearest first. */
  int[] search(int query) throws IOException;

  @Override
  void close() throws IOException;
}
