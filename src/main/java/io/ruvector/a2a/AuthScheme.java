package io.ruvector.a2a;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How an agent wants to be told who calls.
 *
 * @param schemes names of schemes; empty where it does not want to know
 * @param more fields that this version does not know
 */
public record AuthScheme(List<String> schemes, Map<String, @Nullable Object> more) {}
