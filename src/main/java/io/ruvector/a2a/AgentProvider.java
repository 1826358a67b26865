package io.ruvector.a2a;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Who runs an agent.
 *
 * @param organization its name
 * @param url its page, as it is written in the card, or null
 * @param more fields that this version does not know
 */
public record AgentProvider(
    String organization, @Nullable String url, Map<String, @Nullable Object> more) {}
