package io.ruvector.lake;

import io.ruvector.index.BatchResult;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * The hits of a batch of searches of a collection, all found in the same rows.
 *
 * @param target the collection
 * @param hits the hits of each query
 * @param generation the generation of the rows
 * @param confirmed when the backend was last known to have that generation; null where only a saved
 *     cache says so
 * @param stale whether the backend may have a newer one than {@link Consistency} asks for
 */
public record LakeBatchResult(
    Target target,
    BatchResult hits,
    Generation generation,
    @Nullable Instant confirmed,
    boolean stale) {}
