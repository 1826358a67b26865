package io.ruvector.oracle;

import java.util.Random;

/** Vectors to test with. */
public final class Data {
  private Data() {}

  /** Gaussian directions with log-normal norms, which tell the metrics apart. */
  public static float[][] vectors(Random random, int rows, int dim) {
    float[][] vectors = new float[rows][];
    for (int i = 0; i < rows; i++) {
      vectors[i] = vector(random, dim);
    }
    return vectors;
  }

  public static float[] vector(Random random, int dim) {
    float[] vector = new float[dim];
    double norm = Math.exp(0.5 * random.nextGaussian());
    for (int j = 0; j < dim; j++) {
      vector[j] = (float) (norm * random.nextGaussian());
    }
    return vector;
  }

  /** Vectors in clusters, as real ones are: the nearest rows stand out. */
  public static float[][] clustered(Random random, int rows, int dim, int clusters) {
    float[][] centres = new float[clusters][dim];
    for (float[] centre : centres) {
      for (int j = 0; j < dim; j++) {
        centre[j] = 4 * random.nextFloat() - 2;
      }
    }
    float[][] vectors = new float[rows][dim];
    for (float[] vector : vectors) {
      float[] centre = centres[random.nextInt(clusters)];
      for (int j = 0; j < dim; j++) {
        vector[j] = (float) (centre[j] + 0.6 * random.nextGaussian());
      }
    }
    return vectors;
  }
}
