package io.ruvector.embed;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.embed.ImageResize.Filter;
import io.ruvector.oracle.Seed;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pictures against what Pillow made of them, recorded by scripts/interop/images.py. */
class ImageTest {
  private static final Path RECORDED = Path.of("testdata", "image");

  private static final String TIMM =
      """
      {"input_size": [3, 28, 28], "interpolation": "bicubic", "crop_pct": 0.875,
       "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
      """;

  @TempDir Path folder;

  private static ConfigFile config(String place, String json) {
    return ConfigFile.parse(place, json.getBytes(StandardCharsets.UTF_8));
  }

  private String hash(String json, ImagePixels pixels) throws IOException {
    Files.writeString(folder.resolve("preprocessor_config.json"), json);
    return hash(Objects.requireNonNull(ImagePreprocessor.of(folder)), pixels);
  }

  /** The same picture as the recorder's. */
  private static byte[] noise(long seed, int width, int height) {
    var random = new SplittableRandom(seed);
    byte[] rgb = new byte[width * height * 3];
    for (int i = 0; i < rgb.length; i++) {
      int value = (int) (random.nextLong() & 0xFF);
      rgb[i] = (byte) (seed % 2 == 0 ? value : value < 128 ? 0 : 255);
    }
    return rgb;
  }

  @Test
  void resizesAsPillowDoes() throws IOException {
    for (String line : Files.readAllLines(RECORDED.resolve("resize.txt"))) {
      String[] part = line.split(" ");
      int[] n = new int[9];
      for (int i = 0; i < n.length; i++) {
        n[i] = Integer.parseInt(part[i]);
      }
      Filter filter = Filter.valueOf(part[9].toUpperCase(Locale.ROOT));
      byte[] window =
          ImageResize.window(
              noise(n[0], n[1], n[2]), n[1], n[2], n[3], n[4], filter, n[5], n[6], n[7], n[8]);
      assertEquals(part[10], HubServer.sha256(window), line);
    }
  }

  static List<String> converted() throws IOException {
    return Files.readAllLines(RECORDED.resolve("convert.txt"));
  }

  @ParameterizedTest
  @MethodSource("converted")
  void readsEveryModeAsPillowDoes(String line) {
    String[] part = line.split(" ");
    ImagePixels pixels = BufferedImages.read(RECORDED.resolve(part[0]));
    assertEquals(part[1] + "x" + part[2], pixels.width() + "x" + pixels.height());
    assertEquals(part[3], HubServer.sha256(pixels.rgb()));
  }

  /** Decoders differ by a little, a profile that is applied by much more. */
  @ParameterizedTest
  @CsvSource({"plain.jpg, plain.rgb", "profile.jpg, plain.rgb", "gray.jpg, gray.rgb"})
  void readsJpegAsPillowDoes(String file, String recorded) throws IOException {
    byte[] expected = Files.readAllBytes(RECORDED.resolve(recorded));
    byte[] found = BufferedImages.read(RECORDED.resolve(file)).rgb();
    assertEquals(expected.length, found.length);
    for (int i = 0; i < found.length; i++) {
      int value = i;
      assertEquals(expected[i] & 0xFF, found[i] & 0xFF, 4, () -> "value " + value);
    }
  }

  @Test
  void preparesAsTimmDoes() throws IOException {
    for (String line : Files.readAllLines(RECORDED.resolve("tensor.jsonl"))) {
      ConfigFile recorded = config("line", line);
      int seed = recorded.required("seed", Integer.class, "a number");
      int width = recorded.required("width", Integer.class, "a number");
      int height = recorded.required("height", Integer.class, "a number");
      var preprocessor = ImagePreprocessor.ofTimm(recorded.object("config"));
      var pixels = new ImagePixels(width, height, noise(seed, width, height));
      assertEquals(recorded.text("sha256", ""), hash(preprocessor, pixels), line);
    }
  }

  private static String hash(ImagePreprocessor preprocessor, ImagePixels pixels) {
    var bytes =
        ByteBuffer.allocate(Float.BYTES * 3 * preprocessor.width() * preprocessor.height())
            .order(ByteOrder.LITTLE_ENDIAN);
    FloatBuffer floats = bytes.asFloatBuffer();
    preprocessor.toTensor(pixels, floats);
    assertEquals(0, floats.remaining());
    return HubServer.sha256(bytes.array());
  }

  /** Whatever layout a picture has in memory, the same colours give the same pixels. */
  @ParameterizedTest
  @ValueSource(
      ints = {
        BufferedImage.TYPE_INT_RGB,
        BufferedImage.TYPE_INT_ARGB,
        BufferedImage.TYPE_INT_ARGB_PRE,
        BufferedImage.TYPE_INT_BGR,
        BufferedImage.TYPE_3BYTE_BGR,
        BufferedImage.TYPE_4BYTE_ABGR,
        BufferedImage.TYPE_4BYTE_ABGR_PRE
      })
  void takesEveryLayout(int type) {
    Random random = Seed.random("takesEveryLayout");
    var whole = new BufferedImage(9, 7, type);
    BufferedImage image = whole.getSubimage(2, 1, 5, 4);
    byte[] expected = new byte[5 * 4 * 3];
    for (int i = 0; i < 20; i++) {
      var colour = new Color(random.nextInt(1 << 24));
      image.setRGB(i % 5, i / 5, colour.getRGB());
      expected[i * 3] = (byte) colour.getRed();
      expected[i * 3 + 1] = (byte) colour.getGreen();
      expected[i * 3 + 2] = (byte) colour.getBlue();
    }
    assertArrayEquals(expected, BufferedImages.pixels(image).rgb());
  }

  @Test
  void takesGrayAsItIs() {
    for (int type : new int[] {BufferedImage.TYPE_BYTE_GRAY, BufferedImage.TYPE_USHORT_GRAY}) {
      var image = new BufferedImage(256, 1, type);
      int unit = type == BufferedImage.TYPE_BYTE_GRAY ? 1 : 256;
      for (int value = 0; value < 256; value++) {
        image.getRaster().setSample(value, 0, 0, value * unit);
      }
      byte[] rgb = BufferedImages.pixels(image).rgb();
      for (int i = 0; i < rgb.length; i++) {
        assertEquals((byte) (i / 3), rgb[i]);
      }
    }
  }

  /** A strip whose resized whole would not fit in memory: only the window is computed. */
  @Test
  void takesTheLongestStrip() {
    var preprocessor = ImagePreprocessor.ofTimm(config("timm", TIMM));
    var strip = new ImagePixels(2_000_000, 1, new byte[6_000_000]);
    FloatBuffer chw = FloatBuffer.allocate(3 * 28 * 28);
    preprocessor.toTensor(strip, chw);
    assertEquals(0, chw.remaining());
  }

  /** Strips of which every row, or every column, would be needed. */
  @Test
  void refusesWhatCannotBeResizedInMemory() {
    var high = new ImagePixels(1, 5_000_000, new byte[15_000_000]);
    for (ImagePixels pixels :
        List.of(high, new ImagePixels(40_000_000, 1, new byte[120_000_000]))) {
      EmbedException failure =
          assertThrows(
              EmbedException.class,
              () ->
                  ImageResize.window(
                      pixels.rgb(),
                      pixels.width(),
                      pixels.height(),
                      224,
                      224,
                      Filter.BICUBIC,
                      0,
                      0,
                      224,
                      224));
      assertTrue(failure.getMessage().contains("expected at most"), failure.getMessage());
    }
  }

  @Test
  void aFolderSaysHowPicturesArePrepared() throws IOException {
    assertNull(ImagePreprocessor.of(folder));
    String transformers =
        """
        {"do_resize": true, "size": {"shortest_edge": 32}, "resample": 3, "do_center_crop": true,
         "crop_size": {"height": 28, "width": 28}, "do_rescale": true,
         "rescale_factor": 0.00392156862745098, "do_normalize": true,
         "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
        """;
    // The same steps as timm's, whose centres agree where the rest is even.
    var timm = ImagePreprocessor.ofTimm(config("timm", TIMM));
    var pixels = new ImagePixels(60, 60, noise(8, 60, 60));
    assertEquals(hash(timm, pixels), hash(transformers, pixels));
    Files.writeString(
        folder.resolve("config.json"), "{\"architectures\": [\"ViTForImageClassification\"]}");
    assertEquals(hash(timm, pixels), hash(transformers, pixels));
  }

  /** From 384 pixels on, ConvNeXt's cuts nothing off. */
  @Test
  void cropsAsConvNextDoes() throws IOException {
    String config =
        """
        {"size": %s, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
        """;
    var pixels = new ImagePixels(90, 40, noise(8, 90, 40));
    assertEquals(
        hash(config.formatted("{\"width\": 384, \"height\": 384}"), pixels),
        hash(config.formatted("{\"shortest_edge\": 384}, \"crop_pct\": 0.875"), pixels));
    assertEquals(
        hash(
            config.formatted(
                "{\"shortest_edge\": 32}, \"do_center_crop\": true,"
                    + " \"crop_size\": {\"width\": 28, \"height\": 28}"),
            pixels),
        hash(config.formatted("{\"shortest_edge\": 28}, \"crop_pct\": 0.875"), pixels));
  }

  @Test
  void refusesFilesThatAreNoPictures() throws IOException {
    Path missing = folder.resolve("missing.png");
    assertThrows(EmbedException.class, () -> BufferedImages.read(missing));
    Path text = Files.writeString(folder.resolve("text.png"), "not a picture");
    EmbedException failure = assertThrows(EmbedException.class, () -> BufferedImages.read(text));
    assertTrue(failure.getMessage().contains("text.png"), failure.getMessage());
    byte[] png = Files.readAllBytes(RECORDED.resolve("rgb.png"));
    Random random = Seed.random("refusesFilesThatAreNoPictures");
    for (int i = 0; i < 300; i++) {
      byte[] damaged = png.clone();
      for (int j = 0; j < 3; j++) {
        damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
      }
      Path file = Files.write(folder.resolve("damaged.png"), damaged);
      try {
        BufferedImages.read(file);
      } catch (EmbedException e) {
        assertTrue(e.getMessage().contains("damaged.png"), e.getMessage());
      }
    }
  }

  @Test
  void refusesPixelsThatDoNotFit() {
    assertThrows(IllegalArgumentException.class, () -> new ImagePixels(0, 1, new byte[0]));
    assertThrows(IllegalArgumentException.class, () -> new ImagePixels(2, 2, new byte[11]));
    assertThrows(
        IllegalArgumentException.class, () -> new ImagePixels(1 << 20, 1 << 20, new byte[0]));
  }
}
