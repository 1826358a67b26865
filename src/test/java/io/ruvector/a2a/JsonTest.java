package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.ruvector.a2a.Json.MalformedException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
  @Test
  void keepsNumbersAsTheyWere() throws MalformedException {
    String text = "{\"a\":[1.0,-0.0,1e+21,1E5,12345678901234567890],\"b\":null,\"c\":true}";
    assertEquals(text, Json.write(Json.parse(text)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "{",
        "[1,]",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"\\u0062\":1}}",
        "1 2",
        "NaN",
        "01",
        "\"\\ud800\"",
        "{\"\\udc00\":1}",
        "'a'",
        "\"\t\"",
        "/**/1"
      })
  void refuses(String text) {
    assertThrows(MalformedException.class, () -> Json.parse(text));
  }

  @Test
  void refusesWhatIsTooDeep() {
    String text = "[".repeat(100_000) + "]".repeat(100_000);
    assertThrows(MalformedException.class, () -> Json.parse(text));
  }

  @Test
  void refusesOtherEncodings() {
    byte[] latin1 = "\"é\"".getBytes(StandardCharsets.ISO_8859_1);
    assertThrows(MalformedException.class, () -> Json.parse(latin1));
    byte[] utf16 = "\"a\"".getBytes(StandardCharsets.UTF_16LE);
    assertThrows(MalformedException.class, () -> Json.parse(utf16));
  }

  /** RFC 8785, appendix B and the text before it. */
  @ParameterizedTest
  @CsvSource({
    "0000000000000000, 0",
    "8000000000000000, 0",
    "0000000000000001, 5e-324",
    "8000000000000001, -5e-324",
    "7fefffffffffffff, 1.7976931348623157e+308",
    "ffefffffffffffff, -1.7976931348623157e+308",
    "4340000000000000, 9007199254740992",
    "c340000000000000, -9007199254740992",
    "4430000000000000, 295147905179352830000",
    "44b52d02c7e14af5, 9.999999999999997e+22",
    "44b52d02c7e14af6, 1e+23",
    "44b52d02c7e14af7, 1.0000000000000001e+23",
    "444b1ae4d6e2ef4e, 999999999999999700000",
    "444b1ae4d6e2ef4f, 999999999999999900000",
    "444b1ae4d6e2ef50, 1e+21",
    "3eb0c6f7a0b5ed8c, 9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d, 0.000001",
    "41b3de4355555553, 333333333.3333332",
    "41b3de4355555554, 333333333.33333325",
    "41b3de4355555555, 333333333.3333333",
    "41b3de4355555556, 333333333.3333334",
    "41b3de4355555557, 333333333.33333343",
    "becbf647612f3696, -0.0000033333333333333333",
    "43143ff3c1cb0959, 1424953923781206.2"
  })
  void numbersOfEcmaScript(String bits, String text) {
    double number = Double.longBitsToDouble(Long.parseUnsignedLong(bits, 16));
    assertEquals(text, Json.ecmaScript(number));
  }

  /** RFC 8785, 3.2.2 and 3.2.3. */
  @Test
  void canonical() throws MalformedException {
    String text =
        """
        {"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
         "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/",
         "literals": [null, true, false]}
        """;
    assertEquals(
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            + "\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
        Json.jcs(Json.parse(text)));
    Object names =
        Json.parse(
            "{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,"
                + "\"\\u00f6\":7}");
    assertEquals(
        "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"\ud83d\ude00\":5,\"\ufb33\":3}",
        Json.jcs(names));
    // As UTF-8, what lies beyond the first plane comes last.
    assertEquals(
        "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"\ufb33\":3,\"\ud83d\ude00\":5}",
        Json.canonical(names));
  }

  @Test
  void refusesWhatIsNoJsonFromCallers() {
    for (Object bad : new Object[] {Double.NaN, Float.POSITIVE_INFINITY, 'c', new byte[1]}) {
      assertThrows(IllegalArgumentException.class, () -> Json.copy("data", List.of(bad)));
    }
    assertThrows(IllegalArgumentException.class, () -> Json.copy("data", Map.of(1, 2)));
  }
}
