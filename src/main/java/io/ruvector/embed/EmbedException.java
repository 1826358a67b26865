package io.ruvector.embed;

import io.ruvector.RuVectorException;
import org.jspecify.annotations.Nullable;

/** A model that cannot be had, read or run; the message says what was expected and what came. */
public class EmbedException extends RuVectorException {
  private static final long serialVersionUID = 1L;

  /**
   * A failure.
   *
   * @param message what was expected and what came
   */
  public EmbedException(String message) {
    this(message, null);
  }

  /**
   * A failure with its cause.
   *
   * @param message what was expected and what came
   * @param cause the failure behind it, or null
   */
  public EmbedException(String message, @Nullable Throwable cause) {
    super(Code.EMBED, message, cause);
  }
}
