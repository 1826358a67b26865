package io.ruvector.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;

/** Small files of vectors. */
final class Samples {
  private Samples() {}

  static float[][] vectors(int rows, int dim, long seed) {
    var random = new Random(seed);
    float[][] vectors = new float[rows][dim];
    for (float[] vector : vectors) {
      for (int i = 0; i < dim; i++) {
        vector[i] = (float) random.nextGaussian();
      }
    }
    return vectors;
  }

  private static ByteBuffer bytes(long size) {
    return ByteBuffer.allocate((int) size).order(ByteOrder.LITTLE_ENDIAN);
  }

  static Path raw(Path file, float[][] vectors) throws IOException {
    ByteBuffer bytes = bytes((long) vectors.length * vectors[0].length * Float.BYTES);
    for (float[] vector : vectors) {
      for (float value : vector) {
        bytes.putFloat(value);
      }
    }
    return Files.write(file, bytes.array());
  }

  /** As {@code numpy.save} writes it: bytes, not by the code under test. */
  static Path npy(Path file, String descr, String shape, byte[] data) throws IOException {
    String header =
        "{'descr': '%s', 'fortran_order': False, 'shape': %s, }".formatted(descr, shape);
    int length = (10 + header.length() + 64) / 64 * 64 - 10;
    ByteBuffer bytes = bytes(10 + length + data.length);
    bytes.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) length);
    bytes.put(header.getBytes(StandardCharsets.US_ASCII));
    bytes.put(" ".repeat(length - header.length() - 1).getBytes(StandardCharsets.US_ASCII));
    bytes.put((byte) '\n').put(data);
    return Files.write(file, bytes.array());
  }

  static byte[] halves(float[][] vectors) {
    ByteBuffer bytes = bytes((long) vectors.length * vectors[0].length * Short.BYTES);
    for (float[] vector : vectors) {
      for (float value : vector) {
        bytes.putShort(Float.floatToFloat16(value));
      }
    }
    return bytes.array();
  }

  static byte[] longs(long... values) {
    ByteBuffer bytes = bytes((long) values.length * Long.BYTES);
    for (long value : values) {
      bytes.putLong(value);
    }
    return bytes.array();
  }

  /** The nearest rows to each query by squared L2, as raw 32-bit integers. */
  static int[][] truth(float[][] base, float[][] queries, int k) {
    int[][] truth = new int[queries.length][];
    for (int q = 0; q < queries.length; q++) {
      float[] query = queries[q];
      truth[q] =
          IntStream.range(0, base.length)
              .boxed()
              .sorted(Comparator.comparingDouble(row -> distance(base[row], query)))
              .limit(k)
              .mapToInt(Integer::intValue)
              .toArray();
    }
    return truth;
  }

  private static double distance(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
    }
    return sum;
  }

  static Path ints(Path file, int[][] rows, boolean withLengths) throws IOException {
    ByteBuffer bytes = bytes((long) rows.length * (rows[0].length + 1) * Integer.BYTES);
    for (int[] row : rows) {
      if (withLengths) {
        bytes.putInt(row.length);
      }
      for (int value : row) {
        bytes.putInt(value);
      }
    }
    byte[] written = new byte[bytes.position()];
    bytes.flip().get(written);
    return Files.write(file, written);
  }
}
