package io.ruvector.index;

/**
 * A row that a search found.
 *
 * @param id the row's id
 * @param score its distance under the index's {@link Metric}: smaller is nearer. Exact in kinds
 *     that keep originals, an estimate in the others
 */
public record Hit(long id, float score) {}
