package io.ruvector.index;

/** A vector's number of components is not the one that the index, or the batch, has. */
public final class DimensionMismatchException extends IndexException {
  private static final long serialVersionUID = 1L;

  /** The number of components that was expected. */
  private final int expected;

  /** The number of components that came. */
  private final int actual;

  /**
   * A mismatch.
   *
   * @param expected the number of components that was expected
   * @param actual the number of components that came
   */
  public DimensionMismatchException(int expected, int actual) {
    this("vector", expected, actual);
  }

  /**
   * A mismatch of one named thing.
   *
   * @param what what has the wrong number of components, as in {@code "row 3"}
   * @param expected the number of components that was expected
   * @param actual the number of components that came
   */
  public DimensionMismatchException(String what, int expected, int actual) {
    super(
        Code.DIMENSION_MISMATCH,
        "%s has %d dimensions, expected %d".formatted(what, actual, expected));
    this.expected = expected;
    this.actual = actual;
  }

  /** The number of components that was expected. */
  public int expected() {
    return expected;
  }

  /** The number of components that came. */
  public int actual() {
    return actual;
  }
}
