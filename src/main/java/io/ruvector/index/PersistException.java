package io.ruvector.index;

import org.jspecify.annotations.Nullable;

/** A file that cannot be read or written, or that is not what it should be. */
public final class PersistException extends IndexException {
  private static final long serialVersionUID = 1L;

  /**
   * A failure of a file.
   *
   * @param message the file, its section and the reason
   */
  public PersistException(String message) {
    this(message, null);
  }

  /**
   * A failure of a file, with its cause.
   *
   * @param message the file, its section and the reason
   * @param cause the failure behind it, or null
   */
  public PersistException(String message, @Nullable Throwable cause) {
    super(Code.PERSIST, message, cause);
  }
}
