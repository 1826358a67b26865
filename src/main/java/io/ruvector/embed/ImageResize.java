package io.ruvector.embed;

import static io.ruvector.embed.ImagePixels.CHANNELS;

/**
 * Resizing as Pillow does it up to 12.3, bit for bit (13.0 takes the columns first where that is
 * cheaper, so some values differ by one): a filter whose support grows with the reduction, first
 * along rows, then along columns, each in fixed-point arithmetic with 8 bits in between.
 */
final class ImageResize {
  /** Fraction bits of a weight: 8 for the value and 2 for overshoot stay of 32. */
  private static final int PRECISION = 32 - 8 - 2;

  /** What a step may take: as much as the largest picture. */
  private static final long MAX_BYTES = ImagePixels.MAX_PIXELS * CHANNELS;

  private ImageResize() {}

  /** What a source pixel weighs by its distance from the target's centre. */
  enum Filter {
    /** A triangle. */
    BILINEAR(1) {
      @Override
      double weight(double x) {
        double d = Math.abs(x);
        return d < 1 ? 1 - d : 0;
      }
    },
    /** Keys' cubic with a = -0.5. */
    BICUBIC(2) {
      @Override
      double weight(double x) {
        double a = -0.5;
        double d = Math.abs(x);
        if (d < 1) {
          return ((a + 2) * d - (a + 3)) * d * d + 1;
        }
        return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
      }
    };

    private final double support;

    Filter(double support) {
      this.support = support;
    }

    abstract double weight(double x);
  }

  /** A window of target positions along one axis: each is a sum over a few source positions. */
  private static final class Axis {
    final int[] first;
    final int[][] weights;

    Axis(int from, int to, int start, int count, Filter filter) {
      first = new int[count];
      weights = new int[count][];
      double scale = (double) from / to;
      double stretch = Math.max(scale, 1);
      double support = filter.support * stretch;
      double unstretch = 1 / stretch;
      for (int i = 0; i < count; i++) {
        if (from == to) {
          // Pillow leaves out the pass.
          first[i] = start + i;
          weights[i] = new int[] {1 << PRECISION};
          continue;
        }
        double centre = (start + i + 0.5) * scale;
        int least = Math.max((int) (centre - support + 0.5), 0);
        int most = Math.min((int) (centre + support + 0.5), from);
        checkMemory((long) Integer.BYTES * (most - least) * count);
        double[] exact = new double[most - least];
        double sum = 0;
        for (int j = 0; j < exact.length; j++) {
          exact[j] = filter.weight((j + least - centre + 0.5) * unstretch);
          sum += exact[j];
        }
        first[i] = least;
        weights[i] = new int[exact.length];
        for (int j = 0; j < exact.length; j++) {
          double weight = (sum == 0 ? exact[j] : exact[j] / sum) * (1 << PRECISION);
          weights[i][j] = (int) (weight < 0 ? weight - 0.5 : weight + 0.5);
        }
      }
    }

    int begin() {
      return first[0];
    }

    int end() {
      int last = first.length - 1;
      return first[last] + weights[last].length;
    }
  }

  /**
   * A window of a resized picture; only what it needs is computed.
   *
   * @param rgb rows of pixels of three bytes
   * @param width pixels in a row
   * @param height rows
   * @param toWidth pixels in a row of the resized picture
   * @param toHeight its rows
   * @param left the window's first column of it
   * @param top the window's first row of it
   * @param columns the window's width
   * @param rows the window's height
   * @return rows of pixels of three bytes
   */
  static byte[] window(
      byte[] rgb,
      int width,
      int height,
      int toWidth,
      int toHeight,
      Filter filter,
      int left,
      int top,
      int columns,
      int rows) {
    var across = new Axis(width, toWidth, left, columns, filter);
    var down = new Axis(height, toHeight, top, rows, filter);
    int begin = down.begin();
    int lines = down.end() - begin;
    checkMemory((long) lines * columns * CHANNELS);
    byte[] half = new byte[lines * columns * CHANNELS];
    for (int y = 0; y < lines; y++) {
      int line = (begin + y) * width;
      for (int x = 0; x < columns; x++) {
        int at = (line + across.first[x]) * CHANNELS;
        sum(rgb, at, CHANNELS, across.weights[x], half, (y * columns + x) * CHANNELS);
      }
    }
    byte[] window = new byte[rows * columns * CHANNELS];
    int stride = columns * CHANNELS;
    for (int y = 0; y < rows; y++) {
      int line = (down.first[y] - begin) * stride;
      for (int x = 0; x < stride; x += CHANNELS) {
        sum(half, line + x, stride, down.weights[y], window, y * stride + x);
      }
    }
    return window;
  }

  private static void checkMemory(long bytes) {
    if (bytes > MAX_BYTES) {
      throw new EmbedException(
          "the picture is too long: resizing it takes %d bytes, expected at most %d"
              .formatted(bytes, MAX_BYTES));
    }
  }

  private static void sum(byte[] from, int at, int step, int[] weights, byte[] to, int out) {
    int red = 1 << (PRECISION - 1);
    int green = red;
    int blue = red;
    for (int weight : weights) {
      red += (from[at] & 0xFF) * weight;
      green += (from[at + 1] & 0xFF) * weight;
      blue += (from[at + 2] & 0xFF) * weight;
      at += step;
    }
    to[out] = clip(red);
    to[out + 1] = clip(green);
    to[out + 2] = clip(blue);
  }

  private static byte clip(int sum) {
    return (byte) Math.clamp(sum >> PRECISION, 0, 255);
  }
}
