package io.ruvector.embed;

import io.ruvector.internal.Checks;

/**
 * A picture as models were shown it.
 *
 * @param width pixels in a row
 * @param height rows
 * @param rgb rows of pixels of three bytes
 */
record ImagePixels(int width, int height, byte[] rgb) {
  static final int CHANNELS = 3;

  /** As many as Pillow takes before it calls a file a bomb. */
  static final long MAX_PIXELS = 178_956_970;

  ImagePixels {
    if (width < 1 || height < 1 || (long) width * height > MAX_PIXELS) {
      throw Checks.illegal(
          "picture", width + " x " + height, "1 to %d pixels".formatted(MAX_PIXELS));
    }
    if (rgb.length != width * height * CHANNELS) {
      throw Checks.illegal(
          "rgb",
          rgb.length + " bytes",
          "%d for %d x %d pixels of 3".formatted(width * height * CHANNELS, width, height));
    }
  }
}
