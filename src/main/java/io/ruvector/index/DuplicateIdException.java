package io.ruvector.index;

/** An id that is already in the index, or twice in one batch. Nothing of the batch was added. */
public final class DuplicateIdException extends IndexException {
  private static final long serialVersionUID = 1L;

  /** The id that is given twice. */
  private final long id;

  /** The row of its second use in the batch. */
  private final long row;

  /**
   * A duplicate id.
   *
   * @param message the id and the row
   * @param id the id
   * @param row the row of its second use in the batch, from 0
   */
  public DuplicateIdException(String message, long id, long row) {
    super(Code.DUPLICATE_ID, message);
    this.id = id;
    this.row = row;
  }

  /** The id that is given twice. */
  public long id() {
    return id;
  }

  /** The row of its second use in the batch, from 0. */
  public long row() {
    return row;
  }
}
