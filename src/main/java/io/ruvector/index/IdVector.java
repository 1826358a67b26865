package io.ruvector.index;

import java.util.Arrays;

/**
 * A row of an index: its id and the vector that was given for it.
 *
 * @param id the row's id
 * @param vector its components, bit for bit; the array itself, not a copy
 */
public record IdVector(long id, float[] vector) {
  /** Whether the ids are equal, and the components bit for bit. */
  @Override
  public boolean equals(Object other) {
    return other instanceof IdVector that && id == that.id && Arrays.equals(vector, that.vector);
  }

  /** A hash of the id and the components. */
  @Override
  public int hashCode() {
    return 31 * Long.hashCode(id) + Arrays.hashCode(vector);
  }

  /** The id and the components, for people to read. */
  @Override
  public String toString() {
    return "IdVector[id=%d, vector=%s]".formatted(id, Arrays.toString(vector));
  }
}
