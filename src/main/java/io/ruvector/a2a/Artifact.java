package io.ruvector.a2a;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an agent has made, or a piece of it.
 *
 * @param id what tells it from others of its task; rvagent's is a number
 * @param name its name, or null
 * @param description what it is, or null
 * @param parts what is in it
 * @param metadata whatever else the agent says of it
 * @param more fields that this version does not know
 */
public record Artifact(
    String id,
    @Nullable String name,
    @Nullable String description,
    List<Part> parts,
    Map<String, @Nullable Object> metadata,
    Map<String, @Nullable Object> more) {
  /** The text of those parts that are text, one after the other. */
  public String text() {
    return Part.text(parts);
  }
}
