package io.ruvector.lake;

import java.util.Objects;

/**
 * A collection of a backend.
 *
 * @param backend the backend's id
 * @param collection the collection's name there
 */
public record Target(String backend, String collection) {
  /** Refuses null. */
  public Target {
    Objects.requireNonNull(backend, "backend");
    Objects.requireNonNull(collection, "collection");
  }

  /** A collection of a backend. */
  public static Target of(String backend, String collection) {
    return new Target(backend, collection);
  }

  @Override
  public String toString() {
    return backend + "/" + collection;
  }
}
