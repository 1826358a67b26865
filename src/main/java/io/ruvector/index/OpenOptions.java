package io.ruvector.index;

import java.util.Objects;

/**
 * How a saved index is opened.
 *
 * @param verify whether every checksum is compared first, which reads the whole file
 * @param mode where its content is afterwards
 */
public record OpenOptions(boolean verify, OpenMode mode) {
  private static final OpenOptions DEFAULTS = new OpenOptions(false, OpenMode.MAPPED);

  /** Options. */
  public OpenOptions {
    Objects.requireNonNull(mode, "mode");
  }

  /** Mapped, and not verified: open in milliseconds, whatever the size. */
  public static OpenOptions defaults() {
    return DEFAULTS;
  }

  /** Mapped, with every checksum compared first. */
  public static OpenOptions verified() {
    return DEFAULTS.verify(true);
  }

  /**
   * Not verified.
   *
   * @param mode where the content is
   */
  public static OpenOptions of(OpenMode mode) {
    return DEFAULTS.mode(mode);
  }

  /**
   * These options with or without verification.
   *
   * @param verify whether every checksum is compared first
   */
  public OpenOptions verify(boolean verify) {
    return new OpenOptions(verify, mode);
  }

  /**
   * These options with another place for the file's content.
   *
   * @param mode where it is
   */
  public OpenOptions mode(OpenMode mode) {
    return new OpenOptions(verify, mode);
  }
}
