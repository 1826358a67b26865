package io.ruvector.index;

/**
 * A vector that no index can hold or search for: a component that is not finite or beyond 1e18 in
 * magnitude, or a zero vector under the cosine metric.
 */
public final class InvalidVectorException extends IndexException {
  private static final long serialVersionUID = 1L;

  /** The row of the offending vector in its batch. */
  private final long row;

  /**
   * An invalid vector.
   *
   * @param message the row, or that it is the query, the component and its value
   * @param row the row of the vector in its batch, from 0; 0 for a single vector or query
   */
  public InvalidVectorException(String message, long row) {
    super(Code.INVALID_VECTOR, message);
    this.row = row;
  }

  /** The row of the vector in its batch, from 0; 0 for a single vector or query. */
  public long row() {
    return row;
  }
}
