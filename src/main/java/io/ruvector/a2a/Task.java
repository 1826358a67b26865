package io.ruvector.a2a;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Work that an agent was given.
 *
 * @param id what tells it from others of its agent
 * @param contextId what it has in common with others, or null
 * @param status how far it has come
 * @param history what was said
 * @param artifacts what was made; rvagent lists each piece of one by itself
 * @param metadata whatever else the two sides have agreed on
 * @param more fields that this version does not know
 */
public record Task(
    String id,
    @Nullable String contextId,
    TaskStatus status,
    List<Message> history,
    List<Artifact> artifacts,
    Map<String, @Nullable Object> metadata,
    Map<String, @Nullable Object> more) {
  /** How far it has come. */
  public TaskState state() {
    return status.state();
  }

  /** The text of all artifacts, one after the other. */
  public String text() {
    return artifacts.stream().map(Artifact::text).collect(Collectors.joining());
  }
}
