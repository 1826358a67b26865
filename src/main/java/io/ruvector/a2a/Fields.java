package io.ruvector.a2a;

import io.ruvector.a2a.Json.MalformedException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The members of a received object, taken one by one; what nobody takes is kept. */
final class Fields {
  private final String what;
  private final Map<String, @Nullable Object> left;

  private Fields(String what, Map<String, @Nullable Object> object) {
    this.what = what;
    this.left = new LinkedHashMap<>(object);
  }

  /** Reads one element of an array, or one object. */
  @FunctionalInterface
  interface Reader<R> {
    R read(Fields fields) throws MalformedException;
  }

  /**
   * The members of an object.
   *
   * @param what its name, for messages
   */
  static Fields of(String what, @Nullable Object value) throws MalformedException {
    return new Fields(what, object(what, value));
  }

  @SuppressWarnings("unchecked") // maps here come from Json, with strings as keys
  private static Map<String, @Nullable Object> object(String what, @Nullable Object value)
      throws MalformedException {
    if (value instanceof Map<?, ?> map) {
      return (Map<String, @Nullable Object>) map;
    }
    throw unexpected(what, "an object", value);
  }

  private static MalformedException unexpected(
      String what, String expected, @Nullable Object value) {
    String text = Json.write(value);
    String shown = text.length() <= 80 ? text : text.substring(0, 80) + "...";
    return new MalformedException("%s is %s, expected: %s".formatted(what, shown, expected));
  }

  private MalformedException missing(String name) {
    return new MalformedException("%s has no %s".formatted(what, name));
  }

  boolean has(String name) {
    return left.get(name) != null;
  }

  /** Whatever is there; null where nothing is. */
  @Nullable Object any(String name) {
    return left.remove(name);
  }

  @Nullable String optional(String name) throws MalformedException {
    return switch (left.remove(name)) {
      case null -> null;
      case String text -> text;
      case Object value -> throw unexpected(what + "." + name, "a string", value);
    };
  }

  String string(String name) throws MalformedException {
    String text = optional(name);
    if (text == null) {
      throw missing(name);
    }
    return text;
  }

  String string(String name, String or) throws MalformedException {
    String text = optional(name);
    return text == null ? or : text;
  }

  boolean flag(String name) throws MalformedException {
    return switch (left.remove(name)) {
      case null -> false;
      case Boolean truth -> truth;
      case Object value -> throw unexpected(what + "." + name, "true or false", value);
    };
  }

  long number(String name, long or) throws MalformedException {
    return switch (left.remove(name)) {
      case null -> or;
      case Number number -> number.longValue();
      case Object value -> throw unexpected(what + "." + name, "a number", value);
    };
  }

  /** An object as it is; empty where none is there. */
  Map<String, @Nullable Object> map(String name) throws MalformedException {
    Object value = left.remove(name);
    return value == null ? Map.of() : object(what + "." + name, value);
  }

  <R> @Nullable R child(String name, Reader<R> reader) throws MalformedException {
    Object value = left.remove(name);
    return value == null ? null : reader.read(of(what + "." + name, value));
  }

  <R> R required(String name, Reader<R> reader) throws MalformedException {
    R value = child(name, reader);
    if (value == null) {
      throw missing(name);
    }
    return value;
  }

  private List<?> array(String name) throws MalformedException {
    return switch (left.remove(name)) {
      case null -> List.of();
      case List<?> array -> array;
      case Object value -> throw unexpected(what + "." + name, "an array", value);
    };
  }

  <R> List<R> list(String name, Reader<R> reader) throws MalformedException {
    List<R> list = new ArrayList<>();
    for (Object value : array(name)) {
      list.add(reader.read(of("%s.%s[%d]".formatted(what, name, list.size()), value)));
    }
    return Collections.unmodifiableList(list);
  }

  List<String> strings(String name) throws MalformedException {
    List<String> strings = new ArrayList<>();
    for (Object value : array(name)) {
      if (!(value instanceof String text)) {
        throw unexpected(what + "." + name, "an array of strings", value);
      }
      strings.add(text);
    }
    return Collections.unmodifiableList(strings);
  }

  /** A failure of this object. */
  MalformedException malformed(String expected) {
    return new MalformedException("%s: expected %s".formatted(what, expected));
  }

  /** What nobody took. */
  Map<String, @Nullable Object> rest() {
    return Collections.unmodifiableMap(left);
  }
}
