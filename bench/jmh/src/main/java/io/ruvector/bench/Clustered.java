package io.ruvector.bench;

import io.ruvector.index.VectorBuffer;
import java.util.Random;

/** The set of the recall harness: 100 centres, and rows around them; queries are drawn alike. */
final class Clustered {
  static final int ROWS = 100_000;
  static final int DIM = 128;
  private static final int CENTRES = 100;
  private static final double SIGMA = 0.6;

  private final Random random = new Random(42);
  private final int dim;
  private final float[][] centres;

  Clustered() {
    this(DIM);
  }

  Clustered(int dim) {
    this.dim = dim;
    centres = new float[CENTRES][dim];
    for (float[] centre : centres) {
      for (int j = 0; j < dim; j++) {
        centre[j] = 4 * random.nextFloat() - 2;
      }
    }
  }

  float[] next() {
    float[] vector = centres[random.nextInt(CENTRES)].clone();
    for (int j = 0; j < dim; j++) {
      vector[j] += (float) (SIGMA * random.nextGaussian());
    }
    return vector;
  }

  /** Vectors that are drawn as the rows are, and are none of them. */
  float[][] queries(int count) {
    random.setSeed(43);
    var queries = new float[count][];
    for (int i = 0; i < count; i++) {
      queries[i] = next();
    }
    return queries;
  }

  VectorBuffer rows(int count) {
    VectorBuffer buffer = VectorBuffer.allocate(count, dim);
    for (int i = 0; i < count; i++) {
      buffer.put(i, next());
    }
    return buffer;
  }
}
