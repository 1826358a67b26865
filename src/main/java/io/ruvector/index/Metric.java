package io.ruvector.index;

/** How far two vectors are apart. For each of them, a smaller score is nearer. */
public enum Metric {
  /** The squared Euclidean distance, from 0. */
  L2,
  /** 1 minus the cosine of the angle, from 0 to 2. Zero vectors are refused. */
  COSINE,
  /** The negated inner product. */
  INNER_PRODUCT;

  private static final Metric[] VALUES = values();

  /** The native side's number: these are fixed, and in the order above. */
  int number() {
    return ordinal();
  }

  static Metric ofNumber(int number) {
    return VALUES[number];
  }
}
