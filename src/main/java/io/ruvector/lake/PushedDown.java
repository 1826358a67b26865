package io.ruvector.lake;

import io.ruvector.index.Hit;
import java.util.List;
import java.util.Objects;

/**
 * What a {@link BackendAdapter} has found by itself.
 *
 * @param hits the k rows nearest to the query, or all where there are fewer, in any order; as
 *     everywhere, a smaller score is nearer
 * @param generation the generation of the rows that it searched
 */
public record PushedDown(List<Hit> hits, Generation generation) {
  /** Copies the hits. */
  public PushedDown {
    hits = List.copyOf(hits);
    Objects.requireNonNull(generation, "generation");
  }
}
