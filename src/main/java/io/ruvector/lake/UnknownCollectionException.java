package io.ruvector.lake;

/**
 * For a {@link BackendAdapter} to say that it has no such collection: nothing cached stands in for
 * it, and it is not asked again.
 */
public final class UnknownCollectionException extends LakeException {
  private static final long serialVersionUID = 1L;

  /**
   * A collection that is not there.
   *
   * @param collection its name
   */
  public UnknownCollectionException(String collection) {
    super(Code.UNKNOWN_COLLECTION, "there is no collection \"%s\"".formatted(collection));
  }
}
