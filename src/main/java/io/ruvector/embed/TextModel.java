package io.ruvector.embed;

import io.ruvector.internal.Checks;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A transformer from text to vectors: tokenizer, graph and what sentence-transformers adds. */
final class TextModel implements AutoCloseable {
  private static final String IDS = "input_ids";
  private static final String MASK = "attention_mask";
  private static final String TYPES = "token_type_ids";

  /** The names that exporters give to the vectors of the tokens, the usual one first. */
  private static final List<String> OUTPUTS = List.of("last_hidden_state", "token_embeddings");

  /** Below it a vector is not divided by its norm, as in PyTorch. */
  private static final double MIN_NORM = 1e-12;

  private final SentenceConfig config;
  private final WordPieceTokenizer tokenizer;
  private final OnnxModel graph;
  private final Set<String> inputs;
  private final String output;
  private final int dimension;
  private final int maxTokens;
  private final boolean normalize;

  private TextModel(
      SentenceConfig config, WordPieceTokenizer tokenizer, OnnxModel graph, EmbedOptions options) {
    this.config = config;
    this.tokenizer = tokenizer;
    this.graph = graph;
    inputs = graph.inputs();
    if (!inputs.contains(IDS) || !Set.of(IDS, MASK, TYPES).containsAll(inputs)) {
      throw new EmbedException(
          "%s takes %s, expected %s, %s and %s"
              .formatted(config.graph(), inputs, IDS, MASK, TYPES));
    }
    Map<String, long[]> outputs = graph.outputs();
    output = output(outputs);
    long size = outputs.getOrDefault(output, new long[0])[2];
    dimension = OnnxModel.dimension(config.graph(), size > 0 ? size : config.hiddenSize());
    int least = tokenizer.specials() + 1;
    if (config.maxTokens() < least) {
      throw new EmbedException(
          "%s: the model takes %d tokens, expected %d or more"
              .formatted(config.transformer(), config.maxTokens(), least));
    }
    maxTokens = options.maxTokens() == 0 ? config.maxTokens() : options.maxTokens();
    Checks.inRange("maxTokens", maxTokens, least, config.maxPositions());
    Boolean asked = options.normalize();
    normalize = asked == null ? config.normalize() : asked;
  }

  static TextModel open(Path folder, EmbedOptions options) {
    SentenceConfig config = SentenceConfig.read(folder);
    WordPieceTokenizer tokenizer = WordPieceTokenizer.read(config.transformer());
    OnnxModel graph = OnnxModel.open(config.graph(), options.effectiveThreads());
    try {
      return new TextModel(config, tokenizer, graph, options);
    } catch (RuntimeException e) {
      graph.close();
      throw e;
    }
  }

  private String output(Map<String, long[]> outputs) {
    List<String> ofTokens =
        outputs.entrySet().stream()
            .filter(entry -> entry.getValue().length == 3)
            .map(Map.Entry::getKey)
            .toList();
    return OUTPUTS.stream()
        .filter(ofTokens::contains)
        .findFirst()
        .or(() -> ofTokens.size() == 1 ? ofTokens.stream().findFirst() : Optional.empty())
        .orElseThrow(
            () ->
                new EmbedException(
                    "%s gives %s, expected one output of a vector for each token, as %s"
                        .formatted(config.graph(), outputs.keySet(), OUTPUTS.get(0))));
  }

  int dimension() {
    return dimension;
  }

  int maxTokens() {
    return maxTokens;
  }

  Map<String, String> prompts() {
    return config.prompts();
  }

  /**
   * The text of a prompt.
   *
   * @param name null: the model's default
   */
  String prompt(@Nullable String name) {
    String wanted = name == null ? config.defaultPrompt() : name;
    if (wanted == null) {
      return "";
    }
    String prompt = config.prompts().get(wanted);
    if (prompt == null) {
      throw Checks.illegal("prompt", wanted, config.prompts().keySet().toString());
    }
    return prompt;
  }

  /** All ids of a text behind a prompt, with the special ones, however many. */
  int[] tokenize(String prompt, String text) {
    String whole = prompt + text;
    return tokenizer.encode(config.lowerCase() ? whole.toLowerCase(Locale.ROOT) : whole);
  }

  /** Those that the model gets. */
  int[] truncate(int[] tokens) {
    return tokenizer.truncate(tokens, maxTokens);
  }

  /** How many tokens at the beginning of each text do not count in its vector. */
  int unpooled(String prompt) {
    return config.poolPrompt() || prompt.isEmpty()
        ? 0
        : tokenize(prompt, "").length - (tokenizer.specials() - tokenizer.leading());
  }

  /**
   * Embeds a batch.
   *
   * @param batch the tokens of each text
   * @param unpooled tokens at the beginning of each text that do not count in its vector
   * @param rows where the vectors go
   * @param numbers for each text, its row there
   */
  void embed(int[][] batch, int unpooled, MemorySegment rows, int[] numbers) {
    int width = 0;
    for (int[] tokens : batch) {
      width = Math.max(width, tokens.length);
    }
    long[] ids = new long[Math.multiplyExact(batch.length, width)];
    long[] mask = new long[ids.length];
    Arrays.fill(ids, tokenizer.padding());
    for (int i = 0; i < batch.length; i++) {
      int first = i * width;
      for (int j = 0; j < batch[i].length; j++) {
        ids[first + j] = batch[i][j];
        mask[first + j] = 1;
      }
    }
    try (var arena = Arena.ofConfined()) {
      Map<String, OnnxModel.Tensor> given = new HashMap<>();
      given.put(IDS, tensor(arena.allocateFrom(ValueLayout.JAVA_LONG, ids), batch, width));
      given.put(MASK, tensor(arena.allocateFrom(ValueLayout.JAVA_LONG, mask), batch, width));
      given.put(TYPES, tensor(arena.allocate(ValueLayout.JAVA_LONG, ids.length), batch, width));
      given.keySet().retainAll(inputs);
      MemorySegment states = arena.allocate(ValueLayout.JAVA_FLOAT, (long) ids.length * dimension);
      graph.run(given, output, new OnnxModel.Tensor(states, false, batch.length, width, dimension));
      for (int i = 0; i < batch.length; i++) {
        float[] vector = pool(states, (long) i * width, batch[i].length, unpooled);
        long row = (long) numbers[i] * vector.length * Float.BYTES;
        MemorySegment.copy(vector, 0, rows, ValueLayout.JAVA_FLOAT, row, vector.length);
      }
    }
  }

  private static OnnxModel.Tensor tensor(MemorySegment data, int[][] batch, int width) {
    return new OnnxModel.Tensor(data, true, batch.length, width);
  }

  /** The one vector of those of a text's tokens, the first of which is at a position. */
  private float[] pool(MemorySegment states, long first, int tokens, int unpooled) {
    boolean mean = config.pooling() == SentenceConfig.Pooling.MEAN;
    int from = mean ? Math.min(unpooled, tokens - 1) : 0;
    int to = mean ? tokens : 1;
    // Arrays, as loops over segments are compiled for seconds, and again and again.
    double[] sum = new double[dimension];
    float[] state = new float[dimension];
    for (int token = from; token < to; token++) {
      long start = (first + token) * dimension * Float.BYTES;
      MemorySegment.copy(states, ValueLayout.JAVA_FLOAT, start, state, 0, dimension);
      for (int d = 0; d < dimension; d++) {
        sum[d] += state[d];
      }
    }
    for (int d = 0; d < dimension; d++) {
      sum[d] /= to - from;
    }
    if (normalize) {
      normalize(sum);
    }
    for (int d = 0; d < dimension; d++) {
      state[d] = (float) sum[d];
    }
    return state;
  }

  /** Divides a vector by its norm. */
  static void normalize(double[] vector) {
    double squares = 0;
    for (double component : vector) {
      squares += component * component;
    }
    double norm = Math.max(Math.sqrt(squares), MIN_NORM);
    for (int d = 0; d < vector.length; d++) {
      vector[d] /= norm;
    }
  }

  @Override
  public void close() {
    graph.close();
  }
}
