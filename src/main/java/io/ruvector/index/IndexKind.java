package io.ruvector.index;

import io.ruvector.RuVectorException.Code;

/** The kinds of index, as files and {@link IndexInfo} name them. More will come. */
public enum IndexKind {
  /** {@link FlatF32Index}. */
  FLAT_F32,
  /** {@link RabitqIndex}. */
  RABITQ,
  /** {@link RabitqAsymIndex}. */
  RABITQ_ASYM,
  /** {@link RabitqPlusIndex}. */
  RABITQ_PLUS,
  /** {@link IvfIndex}. */
  IVF;

  private static final IndexKind[] VALUES = values();

  /**
   * Whether this kind keeps the vectors that it was given; {@link #IVF} does unless its options say
   * {@link Originals#NONE}.
   */
  public boolean keepsOriginals() {
    return this == FLAT_F32 || this == RABITQ_PLUS || this == IVF;
  }

  /** The native side's number: these are fixed, and in the order above. */
  int number() {
    return ordinal();
  }

  static IndexKind ofNumber(int number) {
    if (number < 0 || number >= VALUES.length) {
      throw new IndexException(
          Code.UNSUPPORTED,
          "the index is of kind %d, and this version knows 0 to %d"
              .formatted(number, VALUES.length - 1));
    }
    return VALUES[number];
  }
}
