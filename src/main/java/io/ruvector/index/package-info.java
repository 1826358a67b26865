/**
 * Indexes of vectors, and searches for the nearest ones.
 *
 * <p>Five kinds share one interface, {@link io.ruvector.index.VectorIndex}:
 *
 * <ul>
 *   <li>{@link io.ruvector.index.RabitqPlusIndex}: codes and originals; the one to begin with, up
 *       to about a million rows;
 *   <li>{@link io.ruvector.index.IvfIndex}: cells of codes, of which a search looks into the
 *       nearest; originals or none; for large sets;
 *   <li>{@link io.ruvector.index.FlatF32Index}: originals, scanned exactly; the ground truth;
 *   <li>{@link io.ruvector.index.RabitqAsymIndex}: codes of 1 to 8 bits and no originals;
 *   <li>{@link io.ruvector.index.RabitqIndex}: codes of 1 bit and no originals; the smallest.
 * </ul>
 *
 * <p>Vectors are rows of 32-bit floats, 1 to 8,192 of them in a row, each finite and at most 1e18
 * in magnitude. They come in as {@link io.ruvector.index.Vectors}, a view over off-heap memory or a
 * mapped file that crosses into native code without a copy, with {@link io.ruvector.index.Ids}:
 * {@code long}s of the caller's choice, all 64 bits of them. Scores are such that smaller is
 * nearer, whatever the {@link io.ruvector.index.Metric}; equal scores are ordered by id.
 *
 * {@snippet lang=java :
 * var options = IndexOptions.defaults().seed(42).rerankFactor(20);
 * try (var index = RabitqPlusIndex.build(Vectors.copyOf(rows), options)) {
 *   for (Hit hit : index.search(query, 10)) {
 *     System.out.println(hit.id() + " " + hit.score());
 *   }
 * }
 * }
 *
 * <p>Indexes are safe for use from many threads: readers see the last completed change and never
 * wait for a writer, writers wait for each other. Whoever creates an index closes it.
 *
 * <p>What is required and how the native library is found: {@link io.ruvector}.
 */
@NullMarked
package io.ruvector.index;

import org.jspecify.annotations.NullMarked;
