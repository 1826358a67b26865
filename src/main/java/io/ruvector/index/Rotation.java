package io.ruvector.index;

import io.ruvector.internal.NativeIndex;

/**
 * The random rotation that an index turns vectors by before it codes them. It keeps lengths and
 * angles, and is a function of the dimension and the seed alone.
 *
 * <p>Safe for use from many threads. It lives as long as its index is open, and needs no closing.
 */
public final class Rotation {
  private final NativeIndex index;
  private final int dim;
  private final long seed;

  Rotation(NativeIndex index, int dim, long seed) {
    this.index = index;
    this.dim = dim;
    this.seed = seed;
  }

  /** Components of the vectors. */
  public int dim() {
    return dim;
  }

  /** The seed that it came from. */
  public long seed() {
    return seed;
  }

  /**
   * The rotated vector.
   *
   * @param vector {@code dim()} components
   * @throws DimensionMismatchException if there are more or fewer
   * @throws IllegalStateException if the index is closed
   */
  public float[] apply(float[] vector) {
    return rotate(vector, false);
  }

  /**
   * The vector that {@link #apply} would turn into this one, but for rounding.
   *
   * @param vector {@code dim()} components
   * @throws DimensionMismatchException if there are more or fewer
   * @throws IllegalStateException if the index is closed
   */
  public float[] invert(float[] vector) {
    return rotate(vector, true);
  }

  private float[] rotate(float[] vector, boolean inverse) {
    if (vector.length != dim) {
      throw new DimensionMismatchException(dim, vector.length);
    }
    return index.rotate(vector, inverse);
  }
}
