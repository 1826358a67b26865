package io.ruvector.embed;

import static io.ruvector.embed.ImagePixels.CHANNELS;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** From pictures to vectors: how they are prepared, and a classifier's graph up to its pooling. */
final class ImageModel implements AutoCloseable {
  /** What makes one vector of a picture's features, before what makes classes of it. */
  private static final String POOLING = "GlobalAveragePool";

  private final ImagePreprocessor preprocessor;
  private final OnnxModel graph;
  private final String input;
  private final String output;
  private final int dimension;
  private final boolean normalize;

  private ImageModel(
      Path file,
      ImagePreprocessor preprocessor,
      OnnxModel graph,
      String output,
      @Nullable Boolean normalize) {
    this.preprocessor = preprocessor;
    this.graph = graph;
    this.output = output;
    // As timm gives them, unless asked otherwise.
    this.normalize = normalize != null && normalize;
    Set<String> inputs = graph.inputs();
    long[] shape = graph.outputs().getOrDefault(output, new long[0]);
    if (inputs.size() != 1 || shape.length != 4) {
      throw new EmbedException(
          "%s takes %s and pools to %d dimensions, expected: one picture, and 4 dimensions"
              .formatted(file, inputs, shape.length));
    }
    input = inputs.iterator().next();
    dimension = OnnxModel.dimension(file, shape[1]);
  }

  static ImageModel open(Path file, ImagePreprocessor preprocessor, EmbedOptions options) {
    byte[] model;
    try {
      model = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new EmbedException("%s cannot be read: %s".formatted(file, e), e);
    }
    String output = OnnxGraph.lastOutput(model, POOLING);
    byte[] pooled = OnnxGraph.withOutput(model, output);
    OnnxModel graph = OnnxModel.open(file.toString(), pooled, options.effectiveThreads());
    try {
      return new ImageModel(file, preprocessor, graph, output, options.normalize());
    } catch (RuntimeException e) {
      graph.close();
      throw e;
    }
  }

  int dimension() {
    return dimension;
  }

  float[] embed(ImagePixels pixels) {
    try (var arena = Arena.ofConfined()) {
      int height = preprocessor.height();
      int width = preprocessor.width();
      MemorySegment picture =
          arena.allocate(ValueLayout.JAVA_FLOAT, (long) CHANNELS * height * width);
      preprocessor.toTensor(
          pixels, picture.asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer());
      MemorySegment vector = arena.allocate(ValueLayout.JAVA_FLOAT, dimension);
      graph.run(
          Map.of(input, new OnnxModel.Tensor(picture, false, 1, CHANNELS, height, width)),
          output,
          new OnnxModel.Tensor(vector, false, 1, dimension, 1, 1));
      double[] exact = new double[dimension];
      for (int d = 0; d < dimension; d++) {
        exact[d] = vector.getAtIndex(ValueLayout.JAVA_FLOAT, d);
      }
      if (normalize) {
        TextModel.normalize(exact);
      }
      float[] components = new float[dimension];
      for (int d = 0; d < dimension; d++) {
        components[d] = (float) exact[d];
      }
      return components;
    }
  }

  @Override
  public void close() {
    graph.close();
  }
}
