package io.ruvector.index;

/** A search on an index that has no rows. */
public final class EmptyIndexException extends IndexException {
  private static final long serialVersionUID = 1L;

  /**
   * A search on an empty index.
   *
   * @param message which index
   */
  public EmptyIndexException(String message) {
    super(Code.EMPTY_INDEX, message);
  }
}
