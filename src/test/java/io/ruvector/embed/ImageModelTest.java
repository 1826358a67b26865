package io.ruvector.embed;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.net.URI;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pictures through a graph whose pooling gives their mean colour. */
class ImageModelTest {
  private static final Path PICTURE = Path.of("testdata", "image", "rgb.png");
  private static final String CONFIG =
      """
      {"input_size": [3, 16, 16], "interpolation": "bicubic", "crop_pct": 0.875,
       "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
      """;

  @TempDir Path folder;
  private byte[] model;

  @BeforeEach
  void write() throws IOException {
    model = Files.readAllBytes(Path.of("testdata", "image", "pooled.onnx"));
    Files.write(folder.resolve("model.onnx"), model);
    Files.writeString(folder.resolve("config.json"), "{\"pretrained_cfg\": " + CONFIG + "}");
  }

  /** The mean of each channel of what the model is given. */
  private static float[] means(Path picture) {
    var preprocessor =
        ImagePreprocessor.ofTimm(
            ConfigFile.parse("config", CONFIG.getBytes(StandardCharsets.UTF_8)));
    FloatBuffer chw = FloatBuffer.allocate(3 * 16 * 16);
    preprocessor.toTensor(BufferedImages.read(picture), chw);
    float[] means = new float[3];
    for (int i = 0; i < chw.capacity(); i++) {
      means[i / 256] += chw.get(i) / 256;
    }
    return means;
  }

  @Test
  void thePoolingIsTheEmbedding() throws IOException {
    try (var embedder = Embedder.fromDirectory(folder)) {
      assertEquals(3, embedder.dimension());
      float[] expected = means(PICTURE);
      assertArrayEquals(expected, embedder.embedImage(PICTURE), 1e-5f);
      assertArrayEquals(expected, embedder.embedImageAsync(PICTURE).join(), 1e-5f);
      var image = javax.imageio.ImageIO.read(PICTURE.toFile());
      assertArrayEquals(expected, embedder.embedImage(image), 1e-5f);
      ImagePixels pixels = BufferedImages.read(PICTURE);
      assertArrayEquals(
          expected, embedder.embedImage(pixels.width(), pixels.height(), pixels.rgb()), 1e-5f);
      assertThrows(IllegalArgumentException.class, () -> embedder.embedImage(2, 2, new byte[3]));
      assertThrows(EmbedException.class, () -> embedder.embed("a text"));
      assertThrows(EmbedException.class, embedder::maxTokens);
    }
  }

  @Test
  void normalizedWhereAsked() {
    try (var embedder = Embedder.fromDirectory(folder, EmbedOptions.defaults().normalize(true))) {
      float[] vector = embedder.embedImage(PICTURE);
      assertEquals(1, Math.sqrt(Arrays.equals(vector, new float[3]) ? 0 : squares(vector)), 1e-6);
    }
  }

  private static double squares(float[] vector) {
    double squares = 0;
    for (float component : vector) {
      squares += component * component;
    }
    return squares;
  }

  @Test
  void aModelKnownByNameComesFromTheHub() throws IOException {
    try (var hub = new HubServer()) {
      hub.put("onnx-community/mobilenetv3_small_100.lamb_in1k", "onnx/model.onnx", forSize224());
      var cache =
          ModelCache.of(Map.of(), folder)
              .folder(folder.resolve("hub"))
              .endpoint(URI.create(hub.endpoint()));
      try (var embedder =
          Embedder.fromPretrained("mobilenetv3-small", EmbedOptions.defaults(), cache)) {
        assertEquals(3, embedder.embedImage(PICTURE).length);
      }
    }
  }

  /** The same graph for any size: the one dimension of 16 is written twice, as 0x08 0x10. */
  private byte[] forSize224() {
    byte[] larger = model.clone();
    String bytes = new String(model, StandardCharsets.ISO_8859_1);
    // dim { dim_value: 16 } has two bytes for its value's field; 224 would have three: a name has
    // none.
    for (int at = bytes.indexOf("\n\u0002\b\u0010");
        at >= 0;
        at = bytes.indexOf("\n\u0002\b\u0010", at + 1)) {
      larger[at + 2] = 0x12; // dim_param, of length 0: any
      larger[at + 3] = 0;
    }
    return larger;
  }

  @Test
  void theGraphGivesWhatIsAskedFor() {
    assertEquals("pooled", OnnxGraph.lastOutput(model, "GlobalAveragePool"));
    EmbedException none =
        assertThrows(EmbedException.class, () -> OnnxGraph.lastOutput(model, "Softmax"));
    assertTrue(none.getMessage().contains("Softmax"), none.getMessage());
    assertThrows(EmbedException.class, () -> OnnxGraph.withOutput(model, "weights"));
    byte[] edited = OnnxGraph.withOutput(model, "early");
    try (OnnxModel graph = OnnxModel.open("edited", edited, 1)) {
      assertEquals(java.util.Set.of("early"), graph.outputs().keySet());
    }
  }

  /** Whatever the bytes, the answer is a graph or an exception that says so. */
  @Test
  void aDamagedGraphIsRefused() {
    Random random = Seed.random("aDamagedGraphIsRefused");
    for (int i = 0; i < 3_000; i++) {
      byte[] damaged = Arrays.copyOf(model, random.nextInt(model.length + 1));
      for (int j = random.nextInt(4); j > 0 && damaged.length > 0; j--) {
        damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
      }
      try {
        OnnxGraph.withOutput(damaged, OnnxGraph.lastOutput(damaged, "GlobalAveragePool"));
      } catch (EmbedException e) {
        assertTrue(e.getMessage().contains("ONNX"), e.getMessage());
      }
    }
  }
}
