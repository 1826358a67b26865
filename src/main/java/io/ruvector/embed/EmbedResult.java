package io.ruvector.embed;

import io.ruvector.index.VectorBuffer;
import io.ruvector.index.Vectors;
import java.util.BitSet;

/**
 * The vectors of texts, in off-heap memory that an index takes over without a copy if it is built
 * with {@link io.ruvector.index.Originals#ADOPT}.
 *
 * <p>Whoever has it closes it, unless an index has adopted it; what is forgotten is freed after a
 * garbage collection.
 */
public final class EmbedResult implements AutoCloseable {
  private final VectorBuffer buffer;
  private final BitSet truncated;

  EmbedResult(VectorBuffer buffer, BitSet truncated) {
    this.buffer = buffer;
    this.truncated = truncated;
  }

  /**
   * A vector for each text, in the order of the texts.
   *
   * @throws IllegalStateException if this is closed or adopted by an index
   */
  public Vectors vectors() {
    return buffer.asVectors();
  }

  /**
   * The texts that had more tokens than the model takes, by their positions, of which only the
   * beginning is in the vector. A copy.
   */
  public BitSet truncated() {
    return (BitSet) truncated.clone();
  }

  /** Gives the memory back, unless an index has adopted it. Never throws, never waits. */
  @Override
  public void close() {
    buffer.close();
  }
}
