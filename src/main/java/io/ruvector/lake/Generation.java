package io.ruvector.lake;

import java.util.Objects;

/**
 * A backend's token for one state of a collection: a version, a snapshot's number, a hash. Two
 * states with equal generations hold the same rows; generations have no order.
 */
public sealed interface Generation {
  /** The longest text, in UTF-8 bytes. */
  int MAX_TEXT_BYTES = 4_096;

  /**
   * A numeric generation.
   *
   * @param value the number; all 64 bits count, read as unsigned
   */
  record Num(long value) implements Generation {
    @Override
    public String toString() {
      return Long.toUnsignedString(value);
    }
  }

  /**
   * A generation that is a text.
   *
   * @param value the text, at most {@link #MAX_TEXT_BYTES} of UTF-8
   */
  record Text(String value) implements Generation {
    /** Checks the length. */
    public Text {
      Objects.requireNonNull(value, "value");
      int bytes = value.getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
      if (bytes > MAX_TEXT_BYTES) {
        throw new IllegalArgumentException(
            "value is %d bytes long, allowed: at most %d".formatted(bytes, MAX_TEXT_BYTES));
      }
    }

    @Override
    public String toString() {
      return value;
    }
  }

  /** A numeric generation. */
  static Generation of(long value) {
    return new Num(value);
  }

  /**
   * A generation that is a text.
   *
   * @throws IllegalArgumentException if it is longer than {@link #MAX_TEXT_BYTES}
   */
  static Generation of(String value) {
    return new Text(value);
  }
}
