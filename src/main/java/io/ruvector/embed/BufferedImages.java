package io.ruvector.embed;

import io.ruvector.internal.Checks;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Iterator;
import javax.imageio.ImageIO;
import javax.imageio.ImageReadParam;
import javax.imageio.ImageReader;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.stream.ImageInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Pictures of {@code java.desktop}, which is wanted by those alone who have them, as Pillow's
 * {@code convert("RGB")} gives them: gray is repeated, alpha dropped, a palette looked up, and no
 * colour profile applied. Of 16 bits the upper 8 are taken, where Pillow clips gray ones to white.
 */
final class BufferedImages {
  private BufferedImages() {}

  /**
   * Reads a file of any format that this Java knows: PNG, JPEG, GIF, BMP, WBMP, TIFF.
   *
   * @throws EmbedException if it cannot be read, or has more pixels than any picture should
   */
  static ImagePixels read(Path file) {
    try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
      if (in == null) {
        throw new EmbedException("%s cannot be read".formatted(file));
      }
      Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
      if (!readers.hasNext()) {
        throw new EmbedException("%s is no picture of a format that is known".formatted(file));
      }
      ImageReader reader = readers.next();
      try {
        reader.setInput(in, true, true);
        long pixels = (long) reader.getWidth(0) * reader.getHeight(0);
        if (pixels > ImagePixels.MAX_PIXELS) {
          throw new EmbedException(
              "%s has %d pixels, allowed: %d".formatted(file, pixels, ImagePixels.MAX_PIXELS));
        }
        ImageReadParam parameters = reader.getDefaultReadParam();
        parameters.setDestinationType(unconverted(reader));
        return pixels(reader.read(0, parameters));
      } finally {
        reader.dispose();
      }
    } catch (IOException | RuntimeException e) {
      // Readers let all kinds of exceptions through for a damaged file.
      throw e instanceof EmbedException own
          ? own
          : new EmbedException("%s cannot be read: %s".formatted(file, e.getMessage()), e);
    }
  }

  /** The type with the file's own profile, which JPEG's reader would apply; null: the usual one. */
  private static @Nullable ImageTypeSpecifier unconverted(ImageReader reader) throws IOException {
    Iterator<ImageTypeSpecifier> types = reader.getImageTypes(0);
    while (types.hasNext()) {
      ImageTypeSpecifier type = types.next();
      ColorSpace space = type.getColorModel().getColorSpace();
      if (space.getType() == ColorSpace.TYPE_RGB && !space.isCS_sRGB()) {
        return type;
      }
    }
    return null;
  }

  static ImagePixels pixels(BufferedImage image) {
    int width = image.getWidth();
    int height = image.getHeight();
    if ((long) width * height > ImagePixels.MAX_PIXELS) {
      throw Checks.illegal(
          "picture", width + " x " + height, "1 to %d pixels".formatted(ImagePixels.MAX_PIXELS));
    }
    byte[] rgb = new byte[width * height * ImagePixels.CHANNELS];
    ColorModel model = image.getColorModel();
    if (isPlain(model)) {
      copySamples(image.getRaster(), model, rgb);
    } else {
      int[] row = new int[width];
      for (int y = 0, at = 0; y < height; y++) {
        image.getRGB(0, y, width, 1, row, 0, width);
        for (int pixel : row) {
          rgb[at++] = (byte) (pixel >> 16);
          rgb[at++] = (byte) (pixel >> 8);
          rgb[at++] = (byte) pixel;
        }
      }
    }
    return new ImagePixels(width, height, rgb);
  }

  /** Whether samples are the values: getRGB would take gray as linear and apply profiles. */
  private static boolean isPlain(ColorModel model) {
    int type = model.getColorSpace().getType();
    int transfer = model.getTransferType();
    return model instanceof ComponentColorModel
        && !model.isAlphaPremultiplied()
        && (type == ColorSpace.TYPE_GRAY || type == ColorSpace.TYPE_RGB)
        && (transfer == DataBuffer.TYPE_BYTE || transfer == DataBuffer.TYPE_USHORT);
  }

  private static void copySamples(Raster raster, ColorModel model, byte[] rgb) {
    int width = raster.getWidth();
    int bands = raster.getNumBands();
    boolean gray = model.getNumColorComponents() == 1;
    int shift = model.getTransferType() == DataBuffer.TYPE_USHORT ? 8 : 0;
    int[] row = new int[width * bands];
    for (int y = 0, at = 0; y < raster.getHeight(); y++) {
      raster.getPixels(raster.getMinX(), raster.getMinY() + y, width, 1, row);
      for (int x = 0; x < row.length; x += bands) {
        for (int c = 0; c < ImagePixels.CHANNELS; c++) {
          rgb[at++] = (byte) (row[gray ? x : x + c] >> shift);
        }
      }
    }
  }
}
