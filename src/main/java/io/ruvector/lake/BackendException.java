package io.ruvector.lake;

/** A {@link BackendAdapter} threw an exception, which is the cause of this one. */
public final class BackendException extends LakeException {
  private static final long serialVersionUID = 1L;

  /** The backend's id. */
  private final String backend;

  /** The collection that was asked for. */
  private final String collection;

  BackendException(Target target, Throwable cause) {
    super(
        cause instanceof UnknownCollectionException ? Code.UNKNOWN_COLLECTION : Code.BACKEND,
        "backend \"%s\", collection \"%s\": %s"
            .formatted(target.backend(), target.collection(), cause),
        cause);
    this.backend = target.backend();
    this.collection = target.collection();
  }

  /** The id of the backend that failed. */
  public String backend() {
    return backend;
  }

  /** The collection that it was asked for. */
  public String collection() {
    return collection;
  }
}
