package io.ruvector.index;

import io.ruvector.internal.Checks;
import java.util.Objects;

/**
 * What an index is made of; fixed for its life. Immutable: each method that sets something returns
 * other options.
 *
 * @param metric how far two vectors are apart
 * @param bits bits of code for each component, 1 to 8, or 0 for the default of the kind (1 for
 *     {@link RabitqIndex}, which allows nothing else; 4 for {@link RabitqAsymIndex}, {@link
 *     RabitqPlusIndex} and {@link IvfIndex}; {@link FlatF32Index} has no codes and allows only 0).
 *     More bits cost memory and buy recall
 * @param seed the seed of the rotation: equal data, options and seed give equal bytes
 * @param rerankFactor how many rows are compared exactly at most, as a multiple of k, 1 to 65,536;
 *     the default for searches that don't set their own
 * @param epsilon the multiplier of the error bounds, 0 to 16: larger finds more and costs more; the
 *     default for searches that don't set their own
 * @param originals where the vectors live in kinds that keep them, of which only {@link IvfIndex}
 *     allows {@code NONE}; the others take {@code COPY} and {@code NONE} alike, and keep nothing
 * @param nlist into how many cells an {@link IvfIndex} divides its rows, 1 to 1,048,576, or 0 for
 *     about {@code 2 * sqrt(rows)}. More cells are scanned faster and found slower; other kinds do
 *     not use it
 * @param nprobe how many cells a search looks into at most, 1 to 65,536, or 0 for four times the
 *     square root of their number: more find more and cost more; the default for searches that
 *     don't set their own. Other kinds do not use it
 */
public record IndexOptions(
    Metric metric,
    int bits,
    long seed,
    int rerankFactor,
    float epsilon,
    Originals originals,
    int nlist,
    int nprobe) {
  private static final int MAX_BITS = 8;
  private static final int MAX_RERANK_FACTOR = 65_536;
  private static final float MAX_EPSILON = 16;
  private static final int MAX_NLIST = 1 << 20;
  private static final int MAX_NPROBE = 65_536;
  private static final IndexOptions DEFAULTS =
      new IndexOptions(Metric.L2, 0, 42, 20, 1.9f, Originals.COPY, 0, 0);

  /**
   * Options, each checked.
   *
   * @throws IllegalArgumentException if a number is out of its range
   */
  public IndexOptions {
    Objects.requireNonNull(metric, "metric");
    Checks.inRange("bits", bits, 0, MAX_BITS);
    checkRerankFactor(rerankFactor);
    checkEpsilon(epsilon);
    Objects.requireNonNull(originals, "originals");
    Checks.inRange("nlist", nlist, 0, MAX_NLIST);
    checkNprobe(nprobe, 0);
  }

  static int checkRerankFactor(int rerankFactor) {
    return Checks.inRange("rerankFactor", rerankFactor, 1, MAX_RERANK_FACTOR);
  }

  static float checkEpsilon(float epsilon) {
    return Checks.inRange("epsilon", epsilon, 0, MAX_EPSILON);
  }

  /** Where the index's default can be asked for by 0, that is the least. */
  static int checkNprobe(int nprobe, int least) {
    return Checks.inRange("nprobe", nprobe, least, MAX_NPROBE);
  }

  /**
   * L2, the kind's own bits, seed 42, a rerank factor of 20, an epsilon of 1.9, copied originals,
   * as many cells as suit the number of rows.
   */
  public static IndexOptions defaults() {
    return DEFAULTS;
  }

  /**
   * The defaults with another metric.
   *
   * @param metric how far two vectors are apart
   */
  public static IndexOptions of(Metric metric) {
    return DEFAULTS.metric(metric);
  }

  /**
   * These options with another metric.
   *
   * @param metric how far two vectors are apart
   */
  public IndexOptions metric(Metric metric) {
    return new IndexOptions(metric, bits, seed, rerankFactor, epsilon, originals, nlist, nprobe);
  }

  /**
   * These options with other codes.
   *
   * @param bits bits for each component, 1 to 8, or 0 for the default of the kind
   * @throws IllegalArgumentException if {@code bits} is out of range
   */
  public IndexOptions bits(int bits) {
    return new IndexOptions(metric, bits, seed, rerankFactor, epsilon, originals, nlist, nprobe);
  }

  /**
   * These options with another rotation.
   *
   * @param seed any number
   */
  public IndexOptions seed(long seed) {
    return new IndexOptions(metric, bits, seed, rerankFactor, epsilon, originals, nlist, nprobe);
  }

  /**
   * These options with another cap of exact comparisons.
   *
   * @param rerankFactor the cap as a multiple of k, 1 to 65,536
   * @throws IllegalArgumentException if {@code rerankFactor} is out of range
   */
  public IndexOptions rerankFactor(int rerankFactor) {
    return new IndexOptions(metric, bits, seed, rerankFactor, epsilon, originals, nlist, nprobe);
  }

  /**
   * These options with another multiplier of the error bounds.
   *
   * @param epsilon 0 to 16
   * @throws IllegalArgumentException if {@code epsilon} is out of range
   */
  public IndexOptions epsilon(float epsilon) {
    return new IndexOptions(metric, bits, seed, rerankFactor, epsilon, originals, nlist, nprobe);
  }

  /**
   * These options with another place for the originals.
   *
   * @param originals where they live
   */
  public IndexOptions originals(Originals originals) {
    return new IndexOptions(metric, bits, seed, rerankFactor, epsilon, originals, nlist, nprobe);
  }

  /**
   * These options with another number of cells.
   *
   * @param nlist how many, 1 to 1,048,576, or 0 for as many as suit the number of rows
   * @throws IllegalArgumentException if {@code nlist} is out of range
   */
  public IndexOptions nlist(int nlist) {
    return new IndexOptions(metric, bits, seed, rerankFactor, epsilon, originals, nlist, nprobe);
  }

  /**
   * These options with another number of cells to look into.
   *
   * @param nprobe how many at most, 1 to 65,536, or 0 for four times the square root of the number
   *     of cells
   * @throws IllegalArgumentException if {@code nprobe} is out of range
   */
  public IndexOptions nprobe(int nprobe) {
    return new IndexOptions(metric, bits, seed, rerankFactor, epsilon, originals, nlist, nprobe);
  }
}
