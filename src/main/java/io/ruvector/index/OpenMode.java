package io.ruvector.index;

/** Where the content of a saved index is, once it is open. */
public enum OpenMode {
  /**
   * In the mapped file: open in milliseconds, whatever the size, and read when it is touched. The
   * file must not be shortened by anybody while the index is open: the system would end the
   * process.
   */
  MAPPED,
  /** In memory: for a file that others may change. */
  IN_MEMORY,
  /**
   * In memory, but for the originals: those stay in the file, which is mapped, and a search reads
   * just the rows that it compares exactly, some twenty. For codes that fit in memory beside
   * originals that do not. The file must not be shortened meanwhile.
   */
  CODES_IN_MEMORY;

  /** The native side's number: these are fixed, and in the order above. */
  int number() {
    return ordinal();
  }
}
