package io.ruvector.index;

import io.ruvector.RuVectorException;
import org.jspecify.annotations.Nullable;

/** A failure of an index: bad data, a bad file, or something that its kind cannot do. */
public class IndexException extends RuVectorException {
  private static final long serialVersionUID = 1L;

  /**
   * A failure of an index.
   *
   * @param code its kind
   * @param message what was expected and what came
   */
  public IndexException(Code code, String message) {
    super(code, message);
  }

  /**
   * A failure of an index, with its cause.
   *
   * @param code its kind
   * @param message what was expected and what came
   * @param cause the failure behind it, or null
   */
  public IndexException(Code code, String message, @Nullable Throwable cause) {
    super(code, message, cause);
  }
}
