package io.ruvector.index;

/** Where the vectors live that an index keeps beside its codes. */
public enum Originals {
  /** In the index's own memory: input plus one copy at the peak of a build. */
  COPY,
  /** In a {@link VectorBuffer} that the index takes over: nothing is copied. */
  ADOPT,
  /** In the file behind {@link Vectors#map}, which the index maps for itself: nothing is copied. */
  MAPPED,
  /** Nowhere: codes only. */
  NONE;

  private static final Originals[] VALUES = values();

  /** The native side's number: these are fixed, and in the order above. */
  int number() {
    return ordinal();
  }

  static Originals ofNumber(int number) {
    return VALUES[number];
  }
}
