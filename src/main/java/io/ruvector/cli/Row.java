package io.ruvector.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A record of output: named values in the order in which they were put. */
final class Row {
  private final Map<String, @Nullable Object> values = new LinkedHashMap<>();

  /** A value is null, a string, a boolean or a number. */
  Row put(String name, @Nullable Object value) {
    values.put(name, value);
    return this;
  }

  /** A number with so many digits after the point. */
  Row put(String name, double value, int digits) {
    double scale = Math.pow(10, digits);
    double rounded = Math.round(value * scale) / scale;
    return put(name, digits == 0 ? (Object) Math.round(value) : (Object) rounded);
  }

  Map<String, @Nullable Object> values() {
    return values;
  }
}
