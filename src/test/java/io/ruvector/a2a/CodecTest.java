package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.ruvector.a2a.Json.MalformedException;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Messages, as each dialect has them. */
class CodecTest {
  private static Message read(Codec codec, String part) throws MalformedException {
    String text =
        "{\"role\":\"user\",\"parts\":[%s],\"messageId\":\"m\",\"new\":{\"a\":1.0}}"
            .formatted(part);
    return codec.message(Fields.of("the message", Json.parse(text)));
  }

  /** What this version knows, and what it does not, comes back as it came. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '`',
      value = {
        "RVAGENT; {\"type\":\"text\",\"text\":\"\",\"new\":1}",
        "RVAGENT; {\"type\":\"data\",\"data\":{\"n\":1.0},\"new\":null}",
        "RVAGENT; {\"type\":\"data\",\"data\":null}",
        "RVAGENT; {\"type\":\"file\",\"file\":{\"name\":\"a\",\"mimeType\":\"b/c\",\"bytes\":\"AAE=\"}}",
        "RVAGENT; {\"type\":\"file\",\"file\":{\"uri\":\"x:y\",\"new\":1},\"new\":2}",
        "RVAGENT; {\"type\":\"video\",\"video\":{\"fps\":24}}",
        "V0_3; {\"kind\":\"text\",\"text\":\"a\",\"metadata\":{\"b\":1}}",
        "V0_3; {\"kind\":\"file\",\"file\":{\"bytes\":\"\",\"new\":1},\"metadata\":{\"b\":1}}",
        "V0_3; {\"kind\":\"video\",\"text\":null}",
        "V1_0; {\"text\":\"a\",\"mediaType\":\"b/c\"}",
        "V1_0; {\"data\":[1,null,{}],\"metadata\":{\"b\":1}}",
        "V1_0; {\"raw\":\"AAE=\",\"filename\":\"a\",\"mediaType\":\"b/c\",\"new\":1}",
        "V1_0; {\"url\":\"x:y\",\"metadata\":{\"b\":1}}",
        "V1_0; {\"video\":{\"fps\":24}}"
      })
  void partsComeBack(Codec codec, String part) throws MalformedException {
    Message message = read(codec, part);
    Map<String, ?> written = codec.write(message);
    assertEquals(
        Json.canonical(Json.parse("[" + part + "]")), Json.canonical(written.get("parts")));
    assertEquals("m", written.get("messageId"));
    assertEquals("{\"a\":1.0}", Json.write(written.get("new")));
    assertEquals(
        message,
        read(codec, Json.write(codec.write(message)).replaceAll(".*\"parts\":\\[(.*)\\].*", "$1")));
  }

  @Test
  void files() throws MalformedException {
    byte[] bytes = {0, 1, -1};
    for (Codec codec : Codec.values()) {
      Message message =
          Message.user(
              Part.file("a", "b/c", bytes), Part.file(java.net.URI.create("https://a/b"), "b/c"));
      Message back =
          codec.message(Fields.of("the message", Json.parse(Json.write(codec.write(message)))));
      assertEquals(message.parts(), back.parts());
      assertArrayEquals(bytes, ((Part.File) back.parts().getFirst()).bytes());
    }
  }

  /** A file that says two things, or nothing, says nothing clear. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '`',
      value = {
        "V0_3; {\"kind\":\"file\",\"file\":{\"bytes\":\"\",\"uri\":\"x:y\"}}",
        "V0_3; {\"kind\":\"file\",\"file\":{}}",
        "V0_3; {\"kind\":\"file\",\"file\":{\"bytes\":\"*\"}}",
        "V0_3; {\"kind\":\"text\",\"text\":1}",
        "V1_0; {\"raw\":\"\",\"url\":\"x:y\"}",
        "V1_0; {\"raw\":\"A\"}"
      })
  void partsThatAreRefused(Codec codec, String part) {
    assertThrows(MalformedException.class, () -> read(codec, part));
  }

  private static TaskStatus status(String time) throws MalformedException {
    String text = "{\"state\":\"working\",\"timestamp\":\"%s\"}".formatted(time);
    return Codec.V0_3.status(Fields.of("the status", Json.parse(text)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "2026-11-23T14:27:33.5Z",
        "2026-11-23T16:27:33.500000+02:00",
        "2026-11-23T14:27:33.500000"
      })
  void timesWithAndWithoutAZone(String time) throws MalformedException {
    assertEquals(Instant.parse("2026-11-23T14:27:33.5Z"), status(time).timestamp());
  }

  @ParameterizedTest
  @ValueSource(strings = {"2026-11-23", "14:27:33", "now", "2026-13-23T14:27:33"})
  void timesThatAreNone(String time) {
    assertThrows(MalformedException.class, () -> status(time));
  }
}
