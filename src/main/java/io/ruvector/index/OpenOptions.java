package io.ruvector.index;

/**
 * How a saved index is opened.
 *
 * @param verify whether every checksum is compared first, which reads the whole file
 * @param inMemory whether the file is read into memory; otherwise it is mapped, and must not be
 *     shortened by anybody while the index is open: the system would end the process
 */
public record OpenOptions(boolean verify, boolean inMemory) {
  private static final OpenOptions DEFAULTS = new OpenOptions(false, false);

  /** Mapped, and not verified: open in milliseconds, whatever the size. */
  public static OpenOptions defaults() {
    return DEFAULTS;
  }

  /** Mapped, with every checksum compared first. */
  public static OpenOptions verified() {
    return DEFAULTS.verify(true);
  }

  /**
   * These options with or without verification.
   *
   * @param verify whether every checksum is compared first
   */
  public OpenOptions verify(boolean verify) {
    return new OpenOptions(verify, inMemory);
  }

  /**
   * These options with another place for the file's content.
   *
   * @param inMemory true: read into memory; false: mapped
   */
  public OpenOptions inMemory(boolean inMemory) {
    return new OpenOptions(verify, inMemory);
  }
}
