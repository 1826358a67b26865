package io.ruvector;

/** The time that a request was given has run out before it was answered. */
public final class DeadlineExceededException extends RuVectorException {
  private static final long serialVersionUID = 1L;

  /**
   * An expired deadline.
   *
   * @param message what ran out of time
   */
  public DeadlineExceededException(String message) {
    super(Code.DEADLINE, message);
  }
}
