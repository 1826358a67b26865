package io.ruvector.a2a;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What one side says to the other.
 *
 * @param role who says it
 * @param parts what is said
 * @param metadata whatever else the two sides have agreed on
 * @param more fields that this version does not know
 */
public record Message(
    Role role,
    List<Part> parts,
    Map<String, @Nullable Object> metadata,
    Map<String, @Nullable Object> more) {
  /** Copies what is given. */
  public Message {
    parts = List.copyOf(parts);
    metadata = Json.copyObject("metadata", metadata);
    more = Json.copyObject("more", more);
  }

  /** A text for an agent. */
  public static Message user(String text) {
    return user(Part.text(text));
  }

  /** Parts for an agent. */
  public static Message user(Part... parts) {
    return new Message(Role.USER, List.of(parts), Map.of(), Map.of());
  }

  /** The text of those parts that are text, one after the other. */
  public String text() {
    return Part.text(parts);
  }
}
