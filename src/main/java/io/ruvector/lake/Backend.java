package io.ruvector.lake;

import java.util.List;

/**
 * A source of vectors: {@link LocalBackend memory}, {@link FsBackend files}, or what a {@link
 * BackendAdapter} reaches.
 */
public sealed interface Backend permits BackendAdapter, FsBackend, LocalBackend {
  /** The name that a lake knows this backend by: not empty, and always the same. */
  String id();

  /**
   * The names of the collections that are there now.
   *
   * @throws Exception whatever keeps the backend from answering
   */
  List<String> collections() throws Exception;
}
