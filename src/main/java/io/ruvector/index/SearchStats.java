package io.ruvector.index;

/**
 * What a search did.
 *
 * @param probed cells of an {@link IvfIndex} whose rows were scanned; 0 in other kinds
 * @param scanned rows whose 1-bit estimate, or exact distance in a flat index, was computed
 * @param estimated rows whose estimate from all bits was computed
 * @param reranked rows that were compared exactly after estimation
 */
public record SearchStats(long probed, long scanned, long estimated, long reranked) {}
