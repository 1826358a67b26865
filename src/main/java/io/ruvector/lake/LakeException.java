package io.ruvector.lake;

import io.ruvector.RuVectorException;
import org.jspecify.annotations.Nullable;

/** What a lake cannot do, with the kind of the reason in {@link #code()}. */
public class LakeException extends RuVectorException {
  private static final long serialVersionUID = 1L;

  /**
   * A failure of a kind.
   *
   * @param code its kind
   * @param message what was expected and what came
   */
  public LakeException(Code code, String message) {
    super(code, message);
  }

  /**
   * A failure of a kind, with its cause.
   *
   * @param code its kind
   * @param message what was expected and what came
   * @param cause the failure behind it, or null
   */
  public LakeException(Code code, String message, @Nullable Throwable cause) {
    super(code, message, cause);
  }
}
