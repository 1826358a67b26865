package io.ruvector.embed;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What a folder of sentence-transformers says of its model.
 *
 * @param transformer the folder of the tokenizer and the graph, often the model's own
 * @param graph the ONNX file
 * @param pooling how the vectors of the tokens become one
 * @param poolPrompt whether the tokens of a prompt count in that
 * @param normalize whether vectors are made as long as 1
 * @param maxTokens how many tokens of a text count, the special ones among them
 * @param maxPositions how many the graph can take
 * @param hiddenSize components of a token's vector, where the graph does not tell; 0: not known
 * @param lowerCase whether text is made lower case before the tokenizer sees it
 * @param prompts texts that go before others, by name
 * @param defaultPrompt the name of the one that goes before texts that name none
 */
record SentenceConfig(
    Path transformer,
    Path graph,
    Pooling pooling,
    boolean poolPrompt,
    boolean normalize,
    int maxTokens,
    int maxPositions,
    int hiddenSize,
    boolean lowerCase,
    Map<String, String> prompts,
    @Nullable String defaultPrompt) {
  /** How the vectors of the tokens become one. */
  enum Pooling {
    MEAN,
    CLS
  }

  private static final int DEFAULT_MAX_TOKENS = 512;
  private static final String MEAN = "pooling_mode_mean_tokens";

  static SentenceConfig read(Path folder) {
    if (!Files.isDirectory(folder)) {
      throw new EmbedException("%s is not a folder".formatted(folder));
    }
    Path modules = folder.resolve("modules.json");
    if (!Files.exists(modules)) {
      throw new EmbedException(
          "%s has no modules.json: not a folder of sentence-transformers".formatted(folder));
    }
    ConfigFile pooling = null;
    Path transformer = folder;
    boolean normalize = false;
    for (ConfigFile module : ConfigFile.readList(modules)) {
      String type = module.text("type", "");
      Path part = part(folder, module);
      switch (type.substring(type.lastIndexOf('.') + 1)) {
        case "Transformer" -> transformer = part;
        case "Pooling" -> pooling = ConfigFile.readRequired(part.resolve("config.json"));
        case "Normalize" -> normalize = true;
        default -> throw module.unexpected("type", "Transformer, Pooling or Normalize");
      }
    }
    if (pooling == null) {
      throw new EmbedException("%s names no Pooling".formatted(modules));
    }
    ConfigFile config = ConfigFile.read(transformer.resolve("config.json"));
    int positions = config.count("max_position_embeddings", DEFAULT_MAX_TOKENS);
    int tokenizer =
        ConfigFile.read(transformer.resolve("tokenizer_config.json"))
            .count("model_max_length", positions);
    // Not tokenizer.json's length, which is what the model was trained with.
    Path own = transformer.resolve("sentence_bert_config.json");
    Path older = transformer.resolve("sentence_distilbert_config.json");
    ConfigFile sentence = ConfigFile.read(Files.exists(own) ? own : older);
    ConfigFile texts = ConfigFile.read(folder.resolve("config_sentence_transformers.json"));
    Map<String, String> prompts = prompts(texts.object("prompts"));
    String usual = texts.value("default_prompt_name", String.class, "a string");
    if (usual != null && !prompts.containsKey(usual)) {
      throw texts.unexpected("default_prompt_name", "one of " + prompts.keySet());
    }
    return new SentenceConfig(
        transformer,
        OnnxModel.in(transformer),
        pooling(pooling),
        pooling.flag("include_prompt", true),
        normalize,
        Math.min(positions, sentence.count("max_seq_length", tokenizer)),
        positions,
        config.count("hidden_size", 0),
        sentence.flag("do_lower_case", false),
        prompts,
        usual);
  }

  private static Path part(Path folder, ConfigFile module) {
    try {
      return folder.resolve(module.text("path", ""));
    } catch (InvalidPathException e) {
      throw module.unexpected("path", "a path in the model's folder");
    }
  }

  /** A mode's name overrides the flags, of which that of the mean is set where it is not there. */
  private static Pooling pooling(ConfigFile config) {
    Set<String> flags = new TreeSet<>(Set.of(MEAN));
    for (Object name : config.fields().keySet()) {
      if (name.toString().startsWith("pooling_mode_")) {
        flags.add(name.toString());
      }
    }
    flags.removeIf(name -> !config.flag(name, name.equals(MEAN)));
    String mode = config.text("pooling_mode", String.join(" and ", flags));
    return switch (mode.toLowerCase(Locale.ROOT)) {
      case "mean", MEAN -> Pooling.MEAN;
      case "cls", "pooling_mode_cls_token" -> Pooling.CLS;
      default ->
          throw new EmbedException(
              "%s: pooling by '%s', expected mean or cls".formatted(config.place(), mode));
    };
  }

  private static Map<String, String> prompts(ConfigFile config) {
    Map<String, String> prompts = new TreeMap<>();
    for (Object name : config.fields().keySet()) {
      prompts.put(name.toString(), config.text(name.toString(), ""));
    }
    return Map.copyOf(prompts);
  }
}
