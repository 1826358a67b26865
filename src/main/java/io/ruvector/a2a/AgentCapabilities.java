package io.ruvector.a2a;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What of the protocol an agent supports.
 *
 * @param streaming whether its tasks can be followed live
 * @param pushNotifications whether it calls back; this client has no use of that
 * @param more fields that this version does not know
 */
public record AgentCapabilities(
    boolean streaming, boolean pushNotifications, Map<String, @Nullable Object> more) {}
