package io.ruvector.embed;

import io.ruvector.internal.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A JSON file of a model's folder, or an object within it, whose fields have types. */
final class ConfigFile {
  private final String place;
  private final Map<?, ?> fields;

  private ConfigFile(String place, Map<?, ?> fields) {
    this.place = place;
    this.fields = fields;
  }

  /** The file's object; without fields if there is no such file. */
  static ConfigFile read(Path file) {
    return Files.exists(file) ? readRequired(file) : new ConfigFile(file.toString(), Map.of());
  }

  /** The file's object. */
  static ConfigFile readRequired(Path file) {
    return object(file.toString(), parse(file));
  }

  /** The objects of a file that is a list of them. */
  static List<ConfigFile> readList(Path file) {
    return objects(file.toString(), parse(file));
  }

  /** The object that a text is, where it is no file. */
  static ConfigFile parse(String place, byte[] utf8) {
    try {
      return object(place, Json.read(utf8));
    } catch (IOException e) {
      throw new EmbedException("%s is not JSON: %s".formatted(place, e.getMessage()), e);
    }
  }

  private static @Nullable Object parse(Path file) {
    try {
      return Json.read(Files.readAllBytes(file));
    } catch (IOException e) {
      throw new EmbedException("%s cannot be read: %s".formatted(file, e), e);
    }
  }

  private static ConfigFile object(String place, @Nullable Object value) {
    if (value instanceof Map<?, ?> fields) {
      return new ConfigFile(place, fields);
    }
    throw unexpected(place, value, "an object");
  }

  private static List<ConfigFile> objects(String place, @Nullable Object value) {
    if (value instanceof List<?> list) {
      return list.stream().map(item -> object(place, item)).toList();
    }
    throw unexpected(place, value, "a list");
  }

  private static EmbedException unexpected(String place, @Nullable Object value, String expected) {
    String got = String.valueOf(value);
    return new EmbedException(
        "%s is %s, expected %s"
            .formatted(place, got.length() > 80 ? got.substring(0, 80) + "..." : got, expected));
  }

  /** What a failure names: the file, and where in it. */
  String place() {
    return place;
  }

  private String place(String name) {
    return place + ": " + name;
  }

  /** A failure of a field that is there. */
  EmbedException unexpected(String name, String expected) {
    return unexpected(place(name), fields.get(name), expected);
  }

  boolean has(String name) {
    return fields.get(name) != null;
  }

  /** An object within this one; without fields if it is not there. */
  ConfigFile object(String name) {
    return has(name)
        ? object(place(name), fields.get(name))
        : new ConfigFile(place(name), Map.of());
  }

  /** The list of objects under a name; empty if it is not there. */
  List<ConfigFile> objects(String name) {
    return has(name) ? objects(place(name), fields.get(name)) : List.of();
  }

  /** All fields, for objects whose names are data. */
  Map<?, ?> fields() {
    return fields;
  }

  <T> @Nullable T value(String name, Class<T> type, String expected) {
    Object value = fields.get(name);
    if (value == null || type.isInstance(value)) {
      return type.cast(value);
    }
    throw unexpected(name, expected);
  }

  boolean flag(String name, boolean otherwise) {
    Boolean flag = value(name, Boolean.class, "true or false");
    return flag == null ? otherwise : flag;
  }

  String text(String name, String otherwise) {
    String text = value(name, String.class, "a string");
    return text == null ? otherwise : text;
  }

  /** A value that has to be there. */
  <T> T required(String name, Class<T> type, String expected) {
    T value = value(name, type, expected);
    if (value == null) {
      throw unexpected(name, expected);
    }
    return value;
  }

  /** A list of so many numbers, which has to be there. */
  double[] numbers(String name, int count) {
    String expected = "%d numbers".formatted(count);
    List<?> list = required(name, List.class, expected);
    double[] numbers =
        list.stream()
            .mapToDouble(item -> item instanceof Number number ? number.doubleValue() : Double.NaN)
            .toArray();
    if (numbers.length != count || !Arrays.stream(numbers).allMatch(Double::isFinite)) {
      throw unexpected(name, expected);
    }
    return numbers;
  }

  /** A number of tokens or the like; as many as an int holds, where there are more. */
  int count(String name, int otherwise) {
    Number number = value(name, Number.class, "a number");
    if (number == null) {
      return otherwise;
    }
    if (!(number.doubleValue() >= 1)) {
      throw unexpected(name, "1 or more");
    }
    return (int) Math.min(number.doubleValue(), Integer.MAX_VALUE);
  }
}
