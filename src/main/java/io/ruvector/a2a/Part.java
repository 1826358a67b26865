package io.ruvector.a2a;

import java.net.URI;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A piece of a {@link Message} or an {@link Artifact}. */
public sealed interface Part {
  /** Fields of it that this version does not know, metadata among them. */
  Map<String, @Nullable Object> more();

  /** Text. */
  static Part text(String text) {
    return new Text(text, Map.of());
  }

  /**
   * Data.
   *
   * @param data strings, finite numbers, booleans, nulls, lists and maps of these
   * @throws IllegalArgumentException if there is anything else in it
   */
  static Part data(@Nullable Object data) {
    return new Data(data, Map.of());
  }

  /**
   * A file, sent along.
   *
   * @param name its name
   * @param mediaType its media type, as in {@code "image/png"}
   * @param bytes what is in it
   */
  static Part file(String name, String mediaType, byte[] bytes) {
    return new File(name, mediaType, bytes.clone(), null, Map.of());
  }

  /**
   * A file, named by where it is.
   *
   * @param uri where it is
   * @param mediaType its media type, as in {@code "image/png"}
   */
  static Part file(URI uri, String mediaType) {
    return new File(null, mediaType, null, uri.toString(), Map.of());
  }

  /** The text of those parts that are text, one after the other. */
  static String text(List<Part> parts) {
    return parts.stream()
        .filter(part -> part instanceof Text)
        .map(part -> ((Text) part).text())
        .collect(Collectors.joining());
  }

  /**
   * Text.
   *
   * @param text the text
   * @param more fields that this version does not know
   */
  record Text(String text, Map<String, @Nullable Object> more) implements Part {
    /** Copies what is given. */
    public Text {
      Objects.requireNonNull(text, "text");
      more = Json.copyObject("more", more);
    }
  }

  /**
   * A file: its bytes, or where they are.
   *
   * @param name its name, or null
   * @param mediaType its media type, or null
   * @param bytes what is in it, or null; not to be changed
   * @param uri where it is, as the sender wrote it, or null
   * @param more fields that this version does not know
   */
  record File(
      @Nullable String name,
      @Nullable String mediaType,
      byte @Nullable [] bytes,
      @Nullable String uri,
      Map<String, @Nullable Object> more)
      implements Part {
    /** Copies what is given, but the bytes. */
    public File {
      if ((bytes == null) == (uri == null)) {
        throw new IllegalArgumentException("a file has bytes or an URI, one of them");
      }
      more = Json.copyObject("more", more);
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof File file
          && Objects.equals(name, file.name)
          && Objects.equals(mediaType, file.mediaType)
          && Arrays.equals(bytes, file.bytes)
          && Objects.equals(uri, file.uri)
          && more.equals(file.more);
    }

    @Override
    public int hashCode() {
      return Objects.hash(name, mediaType, Arrays.hashCode(bytes), uri, more);
    }
  }

  /**
   * Data.
   *
   * @param data strings, numbers, booleans, nulls, lists and maps of these
   * @param more fields that this version does not know
   */
  record Data(@Nullable Object data, Map<String, @Nullable Object> more) implements Part {
    /** Copies what is given. */
    public Data {
      data = Json.copy("data", data);
      more = Json.copyObject("more", more);
    }
  }
}
