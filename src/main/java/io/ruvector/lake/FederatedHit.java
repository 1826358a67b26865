package io.ruvector.lake;

/**
 * A row that a search of several collections found.
 *
 * @param target the collection that has it
 * @param id its id there
 * @param score smaller is nearer
 */
public record FederatedHit(Target target, long id, float score) {}
