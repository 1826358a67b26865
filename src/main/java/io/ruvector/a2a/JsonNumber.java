package io.ruvector.a2a;

/** A number as it was written: signatures cover its text. */
final class JsonNumber extends Number {
  private static final long serialVersionUID = 1L;

  private final String text;

  JsonNumber(String text) {
    this.text = text;
  }

  @Override
  public int intValue() {
    return (int) longValue();
  }

  @Override
  public long longValue() {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      return (long) doubleValue();
    }
  }

  @Override
  public float floatValue() {
    return Float.parseFloat(text);
  }

  @Override
  public double doubleValue() {
    return Double.parseDouble(text);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof JsonNumber number && number.text.equals(text);
  }

  @Override
  public int hashCode() {
    return text.hashCode();
  }

  /** As it was received. */
  @Override
  public String toString() {
    return text;
  }
}
