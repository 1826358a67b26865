package io.ruvector.lake;

/** What {@link RuLake#refreshFromBundleDir} found. */
public enum Refresh {
  /** The sidecar tells of what is cached, or nothing is cached that could be out of date. */
  UP_TO_DATE,
  /** It told of something else, and what was cached is dropped. */
  INVALIDATED,
  /** There is no sidecar. */
  BUNDLE_MISSING
}
