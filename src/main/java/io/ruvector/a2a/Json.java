package io.ruvector.a2a;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * JSON as maps, lists, strings, booleans, nulls and numbers that keep their text. What comes from a
 * peer is bounded in depth, and a key that is there twice is an error: two readers might take
 * different ones.
 */
final class Json {
  /** Deeper than what any agent has a reason for, and far from the end of a thread's stack. */
  private static final int MAX_DEPTH = 128;

  private static final Comparator<String> BY_UTF16 = Comparator.naturalOrder();
  private static final Comparator<String> BY_UTF8 =
      Comparator.comparing(name -> name.getBytes(StandardCharsets.UTF_8), Arrays::compareUnsigned);

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_DEPTH)
                  .maxStringLength(Integer.MAX_VALUE)
                  .build())
          .build();

  private Json() {}

  /** Text that is not JSON, or that means different things to different readers. */
  static final class MalformedException extends Exception {
    private static final long serialVersionUID = 1L;

    MalformedException(String message) {
      super(message);
    }
  }

  /** The one value of a UTF-8 text. */
  static @Nullable Object parse(byte[] text) throws MalformedException {
    try {
      return parse(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(text)).toString());
    } catch (CharacterCodingException e) {
      throw new MalformedException("not UTF-8");
    }
  }

  /** The one value of a text. */
  static @Nullable Object parse(String text) throws MalformedException {
    try (JsonParser parser = FACTORY.createParser(text)) {
      if (parser.nextToken() == null) {
        throw new MalformedException("nothing where JSON was expected");
      }
      Object value = value(parser);
      if (parser.nextToken() != null) {
        throw new MalformedException("more than one JSON value");
      }
      return value;
    } catch (JsonProcessingException e) {
      throw new MalformedException(e.getOriginalMessage());
    } catch (IOException e) {
      throw new AssertionError("a string can be read", e);
    }
  }

  private static @Nullable Object value(JsonParser parser) throws IOException, MalformedException {
    return switch (parser.currentToken()) {
      case START_OBJECT -> {
        Map<String, @Nullable Object> object = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
          String name = unicode(parser.currentName());
          parser.nextToken();
          object.put(name, value(parser));
        }
        yield Collections.unmodifiableMap(object);
      }
      case START_ARRAY -> {
        List<@Nullable Object> array = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          array.add(value(parser));
        }
        yield Collections.unmodifiableList(array);
      }
      case VALUE_STRING -> unicode(parser.getText());
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> new JsonNumber(parser.getText());
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case VALUE_NULL -> null;
      case null, default -> throw new MalformedException("unexpected end of JSON");
    };
  }

  /** A lone surrogate has no UTF-8, so what is signed of it would not be what is read. */
  private static String unicode(String text) throws MalformedException {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        if (i + 1 == text.length()
            || !Character.isSurrogatePair(text.charAt(i), text.charAt(i + 1))) {
          throw new MalformedException("half a surrogate pair in a string");
        }
        i++;
      }
    }
    return text;
  }

  /** The text of a value, members in their order. */
  static String write(@Nullable Object value) {
    var text = new StringBuilder();
    write(value, text, null, Object::toString);
    return text.toString();
  }

  /** The text of a value with members sorted as UTF-8, and numbers as they were received. */
  static String canonical(@Nullable Object value) {
    var text = new StringBuilder();
    write(value, text, BY_UTF8, Object::toString);
    return text.toString();
  }

  /** The text of a value by RFC 8785, the JSON Canonicalization Scheme. */
  static String jcs(@Nullable Object value) throws MalformedException {
    var text = new StringBuilder();
    try {
      write(value, text, BY_UTF16, number -> ecmaScript(number.doubleValue()));
    } catch (ArithmeticException e) {
      throw new MalformedException(String.valueOf(e.getMessage()));
    }
    return text.toString();
  }

  private static void write(
      @Nullable Object value,
      StringBuilder text,
      @Nullable Comparator<String> order,
      Function<Number, String> numberText) {
    switch (value) {
      case null -> text.append("null");
      case Map<?, ?> object -> {
        List<String> names = new ArrayList<>();
        object.keySet().forEach(name -> names.add((String) name));
        if (order != null) {
          names.sort(order);
        }
        String separator = "";
        text.append('{');
        for (String name : names) {
          text.append(separator);
          quote(name, text);
          text.append(':');
          write(object.get(name), text, order, numberText);
          separator = ",";
        }
        text.append('}');
      }
      case List<?> array -> {
        text.append('[');
        for (int i = 0; i < array.size(); i++) {
          text.append(i == 0 ? "" : ",");
          write(array.get(i), text, order, numberText);
        }
        text.append(']');
      }
      case Number number -> text.append(numberText.apply(number));
      case Boolean truth -> text.append(truth);
      default -> quote(value.toString(), text);
    }
  }

  private static void quote(String string, StringBuilder text) {
    text.append('"');
    for (int i = 0; i < string.length(); i++) {
      char c = string.charAt(i);
      switch (c) {
        case '"', '\\' -> text.append('\\').append(c);
        case '\b' -> text.append("\\b");
        case '\t' -> text.append("\\t");
        case '\n' -> text.append("\\n");
        case '\f' -> text.append("\\f");
        case '\r' -> text.append("\\r");
        default -> {
          if (c < ' ') {
            text.append("\\u00")
                .append(c < 0x10 ? '0' : '1')
                .append(Character.forDigit(c % 16, 16));
          } else {
            text.append(c);
          }
        }
      }
    }
    text.append('"');
  }

  /** A number as ECMAScript writes it: Java's shortest digits, laid out by other rules. */
  static String ecmaScript(double number) {
    if (!Double.isFinite(number)) {
      throw new ArithmeticException("a number beyond those of a double");
    }
    if (number == 0) {
      return "0";
    }
    String sign = number < 0 ? "-" : "";
    double magnitude = Math.abs(number);
    BigDecimal shortest = new BigDecimal(Double.toString(magnitude)).stripTrailingZeros();
    // Java writes two digits at least, and then the two that are nearest.
    BigDecimal shorter = shortest.round(new MathContext(1)).stripTrailingZeros();
    BigDecimal decimal = shorter.doubleValue() == magnitude ? shorter : shortest;
    String digits = decimal.unscaledValue().toString();
    // The value is 0.digits times ten to this power.
    int exponent = digits.length() - decimal.scale();
    int length = digits.length();
    if (exponent >= length && exponent <= 21) {
      return sign + digits + "0".repeat(exponent - length);
    }
    if (exponent > 0 && exponent <= 21) {
      return sign + digits.substring(0, exponent) + "." + digits.substring(exponent);
    }
    if (exponent > -6 && exponent <= 0) {
      return sign + "0." + "0".repeat(-exponent) + digits;
    }
    String fraction = length == 1 ? "" : "." + digits.substring(1);
    int scientific = exponent - 1;
    return sign + digits.charAt(0) + fraction + "e" + (scientific < 0 ? "" : "+") + scientific;
  }

  /** A value of the caller's as it may be written: copied, and refused where JSON has no such. */
  static @Nullable Object copy(String name, @Nullable Object value) {
    return copy(name, value, 1);
  }

  /** The same for an object. */
  static Map<String, @Nullable Object> copyObject(String name, Map<String, ?> object) {
    return copyObject(name, object, 1);
  }

  private static Map<String, @Nullable Object> copyObject(
      String name, Map<String, ?> object, int depth) {
    Map<String, @Nullable Object> copy = new LinkedHashMap<>();
    object.forEach((key, member) -> copy.put(key, copy(name + "." + key, member, depth + 1)));
    return Collections.unmodifiableMap(copy);
  }

  @SuppressWarnings("unchecked") // every key is looked at
  private static @Nullable Object copy(String name, @Nullable Object value, int depth) {
    if (depth > MAX_DEPTH) {
      throw new IllegalArgumentException("%s is more than %d deep".formatted(name, MAX_DEPTH));
    }
    return switch (value) {
      case null -> null;
      case String text -> text;
      case Boolean truth -> truth;
      case Double number when !Double.isFinite(number) -> throw noJson(name, number);
      case Float number when !Float.isFinite(number) -> throw noJson(name, number);
      case Number number -> number;
      case Map<?, ?> map -> {
        for (Object key : map.keySet()) {
          if (!(key instanceof String)) {
            throw noJson(name + "'s key", key);
          }
        }
        yield copyObject(name, (Map<String, ?>) map, depth);
      }
      case List<?> list -> {
        List<@Nullable Object> copy = new ArrayList<>();
        list.forEach(element -> copy.add(copy(name, element, depth + 1)));
        yield Collections.unmodifiableList(copy);
      }
      default -> throw noJson(name, value);
    };
  }

  private static IllegalArgumentException noJson(String name, @Nullable Object value) {
    return new IllegalArgumentException(
        "%s is %s, allowed: strings, finite numbers, booleans, nulls, lists and maps of these"
            .formatted(name, value));
  }

  /** The members of an object that have none of these names. */
  static Map<String, @Nullable Object> without(
      Map<String, @Nullable Object> object, Set<String> names) {
    Map<String, @Nullable Object> rest = new LinkedHashMap<>(object);
    rest.keySet().removeAll(names);
    return Collections.unmodifiableMap(rest);
  }
}
