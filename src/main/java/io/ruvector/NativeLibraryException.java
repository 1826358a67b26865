package io.ruvector;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** The native library cannot be loaded, or is not the one that this jar was made for. */
public final class NativeLibraryException extends RuVectorException {
  private static final long serialVersionUID = 1L;

  /** Each place that was tried, with the reason why it failed, in the order of trying. */
  private final String[] tries;

  /**
   * A failure to load.
   *
   * @param message the failure and the platform
   * @param tries each place that was tried, with the reason why it failed, in the order of trying
   * @param cause the last failure behind it, or null
   */
  public NativeLibraryException(String message, List<String> tries, @Nullable Throwable cause) {
    super(Code.NATIVE_LIBRARY, describe(message, tries), cause);
    this.tries = tries.toArray(String[]::new);
  }

  private static String describe(String message, List<String> tries) {
    var text = new StringBuilder(message);
    for (String attempt : tries) {
      text.append("\n  - ").append(attempt);
    }
    return text.toString();
  }

  /** Each place that was tried, with the reason why it failed, in the order of trying. */
  public List<String> tries() {
    return List.of(tries);
  }
}
