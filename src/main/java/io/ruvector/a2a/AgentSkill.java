package io.ruvector.a2a;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Something that an agent can do.
 *
 * @param id what a {@link TaskSpec} names
 * @param name what people call it
 * @param description what it does
 * @param tags words to find it by
 * @param inputModes media types that it takes
 * @param outputModes media types that it makes
 * @param more fields that this version does not know
 */
public record AgentSkill(
    String id,
    String name,
    String description,
    List<String> tags,
    List<String> inputModes,
    List<String> outputModes,
    Map<String, @Nullable Object> more) {}
