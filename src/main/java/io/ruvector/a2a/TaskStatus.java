package io.ruvector.a2a;

import java.time.Instant;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The state of a task at a time.
 *
 * @param state how far it has come
 * @param timestamp since when, by the agent's clock, or null
 * @param message what the agent says about it, or null
 * @param more fields that this version does not know
 */
public record TaskStatus(
    TaskState state,
    @Nullable Instant timestamp,
    @Nullable Message message,
    Map<String, @Nullable Object> more) {}
