package io.ruvector.index;

import java.util.Arrays;

/**
 * The code of a row, for those who build estimators of their own.
 *
 * @param id the row's id
 * @param packed its code in the index's packed form; the array itself, not a copy
 * @param add the factor that the estimator adds
 * @param rescale the factor that the estimator multiplies the inner product by
 * @param error the factor of its error bound, before epsilon
 */
public record RowCode(long id, byte[] packed, float add, float rescale, float error) {
  /** Whether the ids, the codes and the factors are equal. */
  @Override
  public boolean equals(Object other) {
    return other instanceof RowCode that
        && id == that.id
        && Arrays.equals(packed, that.packed)
        && Float.compare(add, that.add) == 0
        && Float.compare(rescale, that.rescale) == 0
        && Float.compare(error, that.error) == 0;
  }

  /** A hash of the id and the code. */
  @Override
  public int hashCode() {
    return 31 * Long.hashCode(id) + Arrays.hashCode(packed);
  }

  /** The id, the length of the code and the factors, for people to read. */
  @Override
  public String toString() {
    return "RowCode[id=%d, packed=%d bytes, add=%s, rescale=%s, error=%s]"
        .formatted(id, packed.length, add, rescale, error);
  }
}
