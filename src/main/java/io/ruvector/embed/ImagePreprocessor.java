package io.ruvector.embed;

import static io.ruvector.embed.ImagePixels.CHANNELS;

import io.ruvector.embed.ImageResize.Filter;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Pictures as the input of a model, prepared as the model was trained: the shorter side resized,
 * the centre cut out, each channel shifted and scaled.
 *
 * <p>The steps are those of timm's evaluation transform ({@code config.json} with {@code
 * pretrained_cfg}) or of an image processor of transformers ({@code preprocessor_config.json}).
 */
final class ImagePreprocessor {
  private static final int VALUES = 256;
  private static final double EXACT = 1e-4;

  /** Where the window begins that is cut out of what remains at both sides. */
  private enum Centre {
    /** Half, to the nearest even number, as torchvision rounds. */
    ROUNDED,
    /** Half, rounded down, as transformers does. */
    FLOORED;

    int before(int rest) {
      return this == FLOORED ? Math.floorDiv(rest, 2) : (int) Math.rint(rest / 2.0);
    }
  }

  private final int width;
  private final int height;

  /** What the shorter side becomes; 0: both become width and height. */
  private final int shorter;

  private final Filter filter;
  private final Centre centre;

  /** What each value of each channel becomes. */
  private final float[][] values = new float[CHANNELS][VALUES];

  private ImagePreprocessor(
      int width,
      int height,
      int shorter,
      Filter filter,
      Centre centre,
      double scale,
      double[] mean,
      double[] std) {
    this.width = width;
    this.height = height;
    this.shorter = shorter;
    this.filter = filter;
    this.centre = centre;
    for (int c = 0; c < CHANNELS; c++) {
      for (int value = 0; value < VALUES; value++) {
        // In single precision, step by step, as the references do.
        float scaled = scale == 1.0 / 255 ? value / 255f : value * (float) scale;
        values[c][value] = (scaled - (float) mean[c]) / (float) std[c];
      }
    }
  }

  /**
   * As a model's folder says; null if it does not: then the model is not one of pictures.
   *
   * @throws EmbedException if it asks for a step that this does not have
   */
  static @Nullable ImagePreprocessor of(Path folder) {
    ConfigFile timm = ConfigFile.read(folder.resolve("config.json"));
    if (timm.has("pretrained_cfg")) {
      return ofTimm(timm.object("pretrained_cfg"));
    }
    Path file = folder.resolve("preprocessor_config.json");
    return Files.exists(file) ? ofTransformers(ConfigFile.read(file)) : null;
  }

  /** As a {@code pretrained_cfg} of timm says. */
  static ImagePreprocessor ofTimm(ConfigFile config) {
    double[] size = config.numbers("input_size", CHANNELS);
    int height = pixels(config, "input_size", size[1]);
    int width = pixels(config, "input_size", size[2]);
    if (size[0] != CHANNELS || height != width) {
      throw config.unexpected("input_size", "3 channels of a square");
    }
    if (!config.text("crop_mode", "center").equals("center")) {
      throw config.unexpected("crop_mode", "center");
    }
    double part = config.has("crop_pct") ? part(config) : 0.875;
    return new ImagePreprocessor(
        width,
        height,
        (int) Math.floor(height / part),
        filter(config, "interpolation"),
        Centre.ROUNDED,
        1.0 / 255,
        config.numbers("mean", CHANNELS),
        deviations(config, "std"));
  }

  private static ImagePreprocessor ofTransformers(ConfigFile config) {
    String type = config.text("image_processor_type", "");
    if (type.startsWith("Levit") || type.startsWith("PoolFormer")) {
      // They scale by rules of their own, of which the other fields tell nothing.
      throw config.unexpected("image_processor_type", "none that scales by a rule of its own");
    }
    if (!config.flag("do_resize", true)) {
      throw config.unexpected("do_resize", "true");
    }
    ConfigFile size = config.object("size");
    int shorter = 0;
    int width;
    int height;
    if (size.has("shortest_edge")) {
      width = pixels(size, "shortest_edge", number(size, "shortest_edge"));
      height = width;
      // As ConvNeXt's: below 384 what is left of the crop is the size, from there on all is.
      shorter = !config.has("crop_pct") ? width : width < 384 ? (int) (width / part(config)) : 0;
    } else {
      width = pixels(size, "width", number(size, "width"));
      height = pixels(size, "height", number(size, "height"));
    }
    if (config.flag("do_center_crop", false)) {
      ConfigFile crop = config.object("crop_size");
      width = pixels(crop, "width", number(crop, "width"));
      height = pixels(crop, "height", number(crop, "height"));
      if (shorter == 0) {
        throw config.unexpected("size", "shortest_edge, where do_center_crop is true");
      }
      if (Math.max(width, height) > shorter) {
        throw config.unexpected("crop_size", "at most %d, as size says".formatted(shorter));
      }
    } else if (shorter != 0 && shorter == width && !config.has("crop_pct")) {
      throw config.unexpected("do_center_crop", "true, or a size with width and height");
    }
    boolean rescaled = config.flag("do_rescale", true);
    double scale =
        rescaled && config.has("rescale_factor") ? number(config, "rescale_factor") : 1.0 / 255;
    if (!(scale > 0 && scale <= 1)) {
      throw config.unexpected("rescale_factor", "more than 0 and at most 1");
    }
    boolean normalise = config.flag("do_normalize", true);
    return new ImagePreprocessor(
        width,
        height,
        shorter,
        filter(config, "resample"),
        Centre.FLOORED,
        !rescaled ? 1 : Math.abs(scale * 255 - 1) < EXACT ? 1.0 / 255 : scale,
        normalise ? config.numbers("image_mean", CHANNELS) : new double[CHANNELS],
        normalise ? deviations(config, "image_std") : new double[] {1, 1, 1});
  }

  private static double number(ConfigFile config, String name) {
    return config.required(name, Number.class, "a number").doubleValue();
  }

  private static double part(ConfigFile config) {
    double part = number(config, "crop_pct");
    if (!(part > 0 && part <= 1)) {
      throw config.unexpected("crop_pct", "more than 0 and at most 1");
    }
    return part;
  }

  private static int pixels(ConfigFile config, String name, double value) {
    if (!(value >= 1 && value <= 4_096 && value == (int) value)) {
      throw config.unexpected(name, "whole numbers of pixels, 1 to 4096");
    }
    return (int) value;
  }

  private static double[] deviations(ConfigFile config, String name) {
    double[] deviations = config.numbers(name, CHANNELS);
    for (double deviation : deviations) {
      if (!(deviation > 0)) {
        throw config.unexpected(name, "more than 0");
      }
    }
    return deviations;
  }

  /** By timm's names, or the numbers that Pillow gives its filters. */
  private static Filter filter(ConfigFile config, String name) {
    return switch (String.valueOf(config.fields().get(name))) {
      case "bilinear", "2" -> Filter.BILINEAR;
      case "bicubic", "3" -> Filter.BICUBIC;
      default -> throw config.unexpected(name, "bilinear (2) or bicubic (3)");
    };
  }

  /** Columns of the model's input. */
  int width() {
    return width;
  }

  /** Rows of the model's input. */
  int height() {
    return height;
  }

  /**
   * Prepares a picture.
   *
   * @param pixels the picture
   * @param chw gets {@code 3 * height * width} floats at its position: the red ones, the green
   *     ones, the blue ones
   */
  void toTensor(ImagePixels pixels, FloatBuffer chw) {
    int toWidth = width;
    int toHeight = height;
    if (shorter != 0) {
      boolean tall = pixels.width() <= pixels.height();
      int least = Math.min(pixels.width(), pixels.height());
      int most = Math.max(pixels.width(), pixels.height());
      int longer = (int) Math.min((long) shorter * most / least, Integer.MAX_VALUE);
      toWidth = tall ? shorter : longer;
      toHeight = tall ? longer : shorter;
    }
    byte[] window =
        ImageResize.window(
            pixels.rgb(),
            pixels.width(),
            pixels.height(),
            toWidth,
            toHeight,
            filter,
            centre.before(toWidth - width),
            centre.before(toHeight - height),
            width,
            height);
    float[] plane = new float[width * height];
    for (int c = 0; c < CHANNELS; c++) {
      for (int i = 0; i < plane.length; i++) {
        plane[i] = values[c][window[i * CHANNELS + c] & 0xFF];
      }
      chw.put(plane);
    }
  }
}
