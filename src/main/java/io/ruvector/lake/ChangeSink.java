package io.ruvector.lake;

/**
 * Takes what changed in a collection: {@link #add} inserts rows or replaces those of the same ids.
 * {@link #snapshot} must be called once, with the generation that the changes lead to.
 */
public interface ChangeSink extends VectorSink {
  /**
   * Removes rows; ids that are not there are passed over.
   *
   * @param ids their ids
   */
  void remove(long... ids);
}
