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
  private final float[][] centres = new float[CENTRES][DIM];

  Clustered() {
    for (float[] centre : centres) {
      for (int j = 0; j < DIM; j++) {
        centre[j] = 4 * random.nextFloat() - 2;
      }
    }
  }

  float[] next() {
    float[] vector = centres[random.nextInt(CENTRES)].clone();
    for (int j = 0; j < DIM; j++) {
      vector[j] += (float) (SIGMA * random.nextGaussian());
    }
    return vector;
  }

  VectorBuffer rows(int count) {
    VectorBuffer buffer = VectorBuffer.allocate(count, DIM);
    for (int i = 0; i < count; i++) {
      buffer.put(i, next());
    }
    return buffer;
  }
}
