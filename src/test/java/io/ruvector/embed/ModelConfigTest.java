package io.ruvector.embed;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Folders that are no model: each refusal names the file, what came and what was expected. */
class ModelConfigTest {
  private static final String TIMM = "pretrained_cfg";
  private static final String NUMBERS = "[0.5, 0.5, 0.5]";

  @TempDir Path folder;

  private String refusal() {
    String message =
        assertThrows(EmbedException.class, () -> Embedder.fromDirectory(folder).close())
            .getMessage();
    assertTrue(message.startsWith(folder.toString()), message);
    return message.substring(folder.toString().length()).replaceFirst("^/", "");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      nullValues = "-",
      value = {
        "modules.json | - | has no modules.json",
        "modules.json | [ | modules.json cannot be read: ",
        "modules.json | {} | modules.json is {}, expected a list",
        "modules.json | [] | modules.json names no Pooling",
        "modules.json | [1] | modules.json is 1, expected an object",
        "modules.json | [{}] | type is null, expected Transformer, Pooling or Normalize",
        "modules.json | [{\"type\": 1}] | type is 1, expected a string",
        "modules.json | [{\"type\": \"a.Dense\"}] | type is a.Dense, expected Transformer, Pooling",
        "modules.json | [{\"type\": \"Pooling\", \"path\": 1}] | path is 1, expected a string",
        "modules.json | [{\"type\": \"Pooling\", \"path\": \"\\u0000\"}] | expected a path in the",
        "modules.json | [{\"type\": \"Pooling\", \"path\": \"no\"}] | no/config.json cannot be read",
        "1_Pooling/config.json | - | 1_Pooling/config.json cannot be read: ",
        "1_Pooling/config.json | 1 | config.json is 1, expected an object",
        "1_Pooling/config.json | {\"pooling_mode_cls_token\": 1} | is 1, expected true or false",
        "1_Pooling/config.json | {\"pooling_mode_max_tokens\": true} | by 'pooling_mode_max_tokens and pooling_",
        "1_Pooling/config.json | {\"pooling_mode\": \"max\"} | by 'max', expected mean or cls",
        "1_Pooling/config.json | {\"pooling_mode_mean_tokens\": false} | by '', expected mean or cls",
        "1_Pooling/config.json | {\"pooling_mode\": [\"cls\"]} | is [cls], expected a string",
        "1_Pooling/config.json | {\"include_prompt\": 0} | is 0, expected true or false",
        "config.json | null | config.json is null, expected an object",
        "config.json | {\"max_position_embeddings\": -1} | is -1, expected 1 or more",
        "config.json | {\"max_position_embeddings\": []} | is [], expected a number",
        "config.json | {\"max_position_embeddings\": 2} | takes 2 tokens, expected 3 or more",
        "config.json | {\"hidden_size\": 0} | hidden_size is 0, expected 1 or more",
        "config.json | {\"hidden_size\": \"x\"} | hidden_size is x, expected a number",
        "tokenizer_config.json | {\"model_max_length\": 0} | is 0, expected 1 or more",
        "tokenizer_config.json | {\"do_lower_case\": 1} | is 1, expected true or false",
        "tokenizer_config.json | {\"strip_accents\": 1} | is 1, expected true or false",
        "tokenizer_config.json | {\"unk_token\": 1} | unk_token is 1, expected a string",
        "tokenizer_config.json | {\"cls_token\": {\"content\": 1}} | content is 1, expected a string",
        "tokenizer_config.json | {\"sep_token\": \"none\"} | vocab.txt has no token none",
        "sentence_bert_config.json | {\"max_seq_length\": 0} | is 0, expected 1 or more",
        "sentence_bert_config.json | {\"max_seq_length\": 2} | takes 2 tokens, expected 3 or more",
        "sentence_bert_config.json | {\"max_seq_length\": \"x\"} | is x, expected a number",
        "sentence_bert_config.json | {\"do_lower_case\": 1} | is 1, expected true or false",
        "sentence_bert_config.json | {\"a\": 1, \"a\": 1} | Duplicate",
        "sentence_bert_config.json | {} {} | more than one value",
        "config_sentence_transformers.json | {\"prompts\": 1} | prompts is 1, expected an object",
        "config_sentence_transformers.json | {\"prompts\": {\"a\": 1}} | a is 1, expected a string",
        "config_sentence_transformers.json | {\"default_prompt_name\": 1} | is 1, expected a string",
        "config_sentence_transformers.json | {\"default_prompt_name\": \"q\"} | is q, expected one of []",
        "tokenizer.json | {} | model: type is null, expected WordPiece",
        "tokenizer.json | {\"model\": {\"type\": \"BPE\"}} | type is BPE, expected WordPiece",
        "vocab.txt | - | neither tokenizer.json nor vocab.txt can be read",
        "vocab.txt | a | vocab.txt has no token [UNK]",
        "model.onnx | - | has neither onnx/model.onnx nor model.onnx, and 0 other",
        "model.onnx | nonsense | model.onnx cannot be opened",
      })
  void texts(String file, String content, String message) throws IOException {
    Models.tiny(folder);
    if (content == null) {
      Files.delete(folder.resolve(file));
    } else {
      Files.writeString(folder.resolve(file), content);
    }
    String refusal = refusal();
    assertTrue(refusal.contains(message), refusal);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{} | MEAN",
        "{\"pooling_mode_mean_tokens\": true, \"pooling_mode_max_tokens\": false} | MEAN",
        "{\"pooling_mode_mean_tokens\": false, \"pooling_mode_cls_token\": true} | CLS",
        "{\"pooling_mode\": \"CLS\", \"pooling_mode_mean_tokens\": true} | CLS",
        "{\"pooling_mode\": \"mean\", \"pooling_mode_cls_token\": true} | MEAN",
        "{\"pooling_mode\": null} | MEAN",
      })
  void poolingIsReadAsTheReferenceDoes(String config, SentenceConfig.Pooling pooling)
      throws IOException {
    Models.tiny(folder);
    Files.writeString(folder.resolve("1_Pooling/config.json"), config);
    assertEquals(pooling, SentenceConfig.read(folder).pooling());
  }

  @Test
  void theLimitOfTokensHasAnOlderName() throws IOException {
    Models.tiny(folder);
    Path file = folder.resolve("sentence_bert_config.json");
    Files.move(file, folder.resolve("sentence_distilbert_config.json"));
    assertEquals(16, SentenceConfig.read(folder).maxTokens());
    Files.writeString(file, "{\"max_seq_length\": 9}");
    assertEquals(9, SentenceConfig.read(folder).maxTokens());
  }

  private static String json(Map<String, String> fields) {
    return fields.entrySet().stream()
        .map(field -> "\"%s\": %s".formatted(field.getKey(), field.getValue()))
        .collect(Collectors.joining(", ", "{", "}"));
  }

  /** A field in place of, or beside, those of a good configuration; null: without it. */
  private static String json(Map<String, String> good, String name, String value) {
    Map<String, String> fields = new TreeMap<>(good);
    fields.put(name, value);
    fields.values().removeIf(Objects::isNull);
    return json(fields);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      nullValues = "-",
      value = {
        "input_size | - | is null, expected 3 numbers",
        "input_size | \"224\" | is 224, expected 3 numbers",
        "input_size | [3, 16] | is [3, 16], expected 3 numbers",
        "input_size | [3, 16, null] | is [3, 16, null], expected 3 numbers",
        "input_size | [3, 16, 1e999] | is [3, 16, Infinity], expected 3 numbers",
        "input_size | [3, 0, 0] | is [3, 0, 0], expected whole numbers of pixels, 1 to 4096",
        "input_size | [3, -9, -9] | is [3, -9, -9], expected whole numbers of pixels, 1 to 4096",
        "input_size | [3, 1.5, 1] | is [3, 1.5, 1], expected whole numbers of pixels, 1 to 4096",
        "input_size | [3, 1e9, 1] | is [3, 1.0E9, 1], expected whole numbers of pixels, 1 to 4096",
        "input_size | [3, 16, 24] | is [3, 16, 24], expected 3 channels of a square",
        "input_size | [1, 16, 16] | is [1, 16, 16], expected 3 channels of a square",
        "interpolation | - | is null, expected bilinear (2) or bicubic (3)",
        "interpolation | \"lanczos\" | is lanczos, expected bilinear (2) or bicubic (3)",
        "interpolation | 7 | is 7, expected bilinear (2) or bicubic (3)",
        "crop_pct | 0 | is 0, expected more than 0 and at most 1",
        "crop_pct | -1 | is -1, expected more than 0 and at most 1",
        "crop_pct | 1.5 | is 1.5, expected more than 0 and at most 1",
        "crop_pct | \"all\" | is all, expected a number",
        "crop_mode | \"squash\" | is squash, expected center",
        "crop_mode | 1 | is 1, expected a string",
        "mean | - | is null, expected 3 numbers",
        "mean | [0.5] | is [0.5], expected 3 numbers",
        "mean | 0.5 | is 0.5, expected 3 numbers",
        "std | - | is null, expected 3 numbers",
        "std | [1, 0, 1] | is [1, 0, 1], expected more than 0",
        "std | [1, 1, -1] | is [1, 1, -1], expected more than 0",
      })
  void picturesOfTimm(String name, String value, String message) throws IOException {
    var good =
        Map.of(
            "input_size", "[3, 16, 16]",
            "interpolation", "\"bicubic\"",
            "crop_pct", "0.875",
            "mean", NUMBERS,
            "std", NUMBERS);
    Files.writeString(folder.resolve("config.json"), json(Map.of(TIMM, json(good, name, value))));
    assertEquals("config.json: %s: %s %s".formatted(TIMM, name, message), refusal());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      nullValues = "-",
      value = {
        "image_processor_type | \"LevitImageProcessor\" | image_processor_type is LevitImageProcessor, expected none that scales by a rule of its own",
        "do_resize | false | do_resize is false, expected true",
        "do_resize | 1 | do_resize is 1, expected true or false",
        "size | - | size: width is null, expected a number",
        "size | 224 | size is 224, expected an object",
        "size | {\"width\": 32} | size: height is null, expected a number",
        "size | {\"shortest_edge\": \"x\"} | size: shortest_edge is x, expected a number",
        "size | {\"shortest_edge\": 0} | size: shortest_edge is 0, expected whole numbers of pixels, 1 to 4096",
        "size | {\"shortest_edge\": -1} | size: shortest_edge is -1, expected whole numbers of pixels, 1 to 4096",
        "size | {\"shortest_edge\": 4097} | size: shortest_edge is 4097, expected whole numbers of pixels, 1 to 4096",
        "size | {\"width\": 9, \"height\": 0} | size: height is 0, expected whole numbers of pixels, 1 to 4096",
        "size | {\"width\": 9, \"height\": 9} | size is {width=9, height=9}, expected shortest_edge, where do_center_crop is true",
        "size | {\"shortest_edge\": 20} | crop_size is {height=28, width=28}, expected at most 20, as size says",
        "do_center_crop | - | do_center_crop is null, expected true, or a size with width and height",
        "do_center_crop | 1 | do_center_crop is 1, expected true or false",
        "crop_size | - | crop_size: width is null, expected a number",
        "crop_size | 28 | crop_size is 28, expected an object",
        "crop_size | {\"width\": 9} | crop_size: height is null, expected a number",
        "crop_size | {\"width\": 0} | crop_size: width is 0, expected whole numbers of pixels, 1 to 4096",
        "crop_pct | 0 | crop_pct is 0, expected more than 0 and at most 1",
        "crop_pct | -1 | crop_pct is -1, expected more than 0 and at most 1",
        "crop_pct | \"x\" | crop_pct is x, expected a number",
        "resample | - | resample is null, expected bilinear (2) or bicubic (3)",
        "resample | 0 | resample is 0, expected bilinear (2) or bicubic (3)",
        "do_rescale | 1 | do_rescale is 1, expected true or false",
        "rescale_factor | 0 | rescale_factor is 0, expected more than 0 and at most 1",
        "rescale_factor | 255 | rescale_factor is 255, expected more than 0 and at most 1",
        "rescale_factor | \"x\" | rescale_factor is x, expected a number",
        "do_normalize | 1 | do_normalize is 1, expected true or false",
        "image_mean | - | image_mean is null, expected 3 numbers",
        "image_mean | [0, 0] | image_mean is [0, 0], expected 3 numbers",
        "image_std | - | image_std is null, expected 3 numbers",
        "image_std | [1, 1, 0] | image_std is [1, 1, 0], expected more than 0",
      })
  void picturesOfTransformers(String name, String value, String message) throws IOException {
    var good =
        Map.of(
            "size", "{\"shortest_edge\": 32}",
            "resample", "3",
            "do_center_crop", "true",
            "crop_size", "{\"height\": 28, \"width\": 28}",
            "image_mean", NUMBERS,
            "image_std", NUMBERS);
    String file = "preprocessor_config.json";
    Files.writeString(folder.resolve(file), json(good, name, value));
    assertEquals(file + ": " + message, refusal());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "config.json | {\"pretrained_cfg\": 1} | config.json: pretrained_cfg is 1, expected an object",
        "config.json | {\"pretrained_cfg\": | config.json cannot be read: ",
        "preprocessor_config.json | [] | preprocessor_config.json is [], expected an object",
        "preprocessor_config.json | nothing | preprocessor_config.json cannot be read: ",
      })
  void filesThatAreNoObjects(String file, String content, String message) throws IOException {
    Files.writeString(folder.resolve(file), content);
    String refusal = refusal();
    assertTrue(refusal.startsWith(message), refusal);
  }

  @ParameterizedTest
  @ValueSource(longs = {Long.MIN_VALUE, -1, 0, 8_193, 1L << 32, Long.MAX_VALUE})
  void vectorsThatNoIndexTakes(long size) {
    var refused =
        assertThrows(EmbedException.class, () -> OnnxModel.dimension(Path.of("model.onnx"), size));
    assertEquals(
        "model.onnx gives vectors of %d components, expected 1 to 8192".formatted(size),
        refused.getMessage());
  }

  /** Whatever a folder says, it is a model that embeds, or refused as one that is not. */
  @Test
  void anythingIsAModelOrRefused() throws IOException {
    Random random = Seed.random("anythingIsAModelOrRefused");
    List<String> values =
        List.of(
            "null",
            "true",
            "0",
            "-1",
            "2",
            "1e30",
            "1e-300",
            "1e999",
            "9".repeat(1_001),
            "\"\"",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "[]",
            "{}",
            "[".repeat(1_100),
            "{\"a\"",
            "\u00ff");
    Models.tiny(folder);
    Map<Path, String> good = new TreeMap<>();
    good.put(Path.of("config.json"), "{\"max_position_embeddings\": 512, \"hidden_size\": 8}");
    good.put(Path.of("tokenizer_config.json"), "{\"model_max_length\": 9, \"pad_token\": \"a\"}");
    good.put(
        Path.of("config_sentence_transformers.json"),
        "{\"prompts\": {\"query\": \"a \"}, \"default_prompt_name\": \"query\"}");
    for (String file :
        List.of("modules.json", "1_Pooling/config.json", "sentence_bert_config.json")) {
      good.put(Path.of(file), Files.readString(folder.resolve(file)));
    }
    Pattern value = Pattern.compile("(?<=[:\\[] ?)(\"[^\"]*\"|[\\w.]+|\\{[^}]*\\})");
    int refused = 0;
    int embedded = 0;
    for (int i = 0; i < 600; i++) {
      for (var file : good.entrySet()) {
        Files.writeString(folder.resolve(file.getKey()), file.getValue());
      }
      var files = new ArrayList<>(good.entrySet());
      var file = files.get(random.nextInt(files.size()));
      List<int[]> places = new ArrayList<>();
      for (Matcher found = value.matcher(file.getValue()); found.find(); ) {
        places.add(new int[] {found.start(), found.end()});
      }
      int[] place = places.get(random.nextInt(places.size()));
      String changed =
          file.getValue().substring(0, place[0])
              + values.get(random.nextInt(values.size()))
              + file.getValue().substring(place[1]);
      Files.write(folder.resolve(file.getKey()), changed.getBytes(StandardCharsets.ISO_8859_1));
      try (var embedder = Embedder.fromDirectory(folder)) {
        embedder.embed("a b c");
        embedded++;
      } catch (EmbedException e) {
        refused++;
      } catch (RuntimeException e) {
        throw new AssertionError(changed, e);
      }
    }
    assertTrue(refused > 100 && embedded > 50, refused + " refused, " + embedded + " embedded");
  }
}
