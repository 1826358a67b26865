package io.ruvector.index;

/**
 * What a search did.
 *
 * @param scanned rows whose 1-bit estimate, or exact distance in a flat index, was computed
 * @param estimated rows whose estimate from all bits was computed
 * @param reranked rows that were compared exactly after estimation
 */
public record SearchStats(long scanned, long estimated, long reranked) {}
