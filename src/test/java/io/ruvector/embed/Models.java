package io.ruvector.embed;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Folders of models, as sentence-transformers has them. */
public final class Models {
  /** The vector of a token is its row of a table of 32. */
  private static final Path TINY = Path.of("testdata/embed/tiny.onnx");

  private Models() {}

  /** all-MiniLM-L6-v2: the graph and the tokenizer of a test dependency. */
  public static Path miniLm() {
    Path folder = Path.of("target/models/all-MiniLM-L6-v2");
    try {
      copy("all-minilm-l6-v2.onnx", folder.resolve("onnx/model.onnx"));
      copy("all-minilm-l6-v2-tokenizer.json", folder.resolve("tokenizer.json"));
      write(folder, "{\"max_seq_length\": 256, \"do_lower_case\": false}", true, "mean_tokens");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return folder;
  }

  private static void copy(String resource, Path file) throws IOException {
    try (InputStream in = Models.class.getResourceAsStream("/" + resource)) {
      if (!Files.exists(file) || Files.size(file) != in.available()) {
        Files.createDirectories(file.getParent());
        Path temporary = Files.createTempFile(file.getParent(), "copy", ".tmp");
        Files.copy(in, temporary, StandardCopyOption.REPLACE_EXISTING);
        Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
      }
    }
  }

  /** Words of a few letters, 16 tokens a text, the mean of their vectors. */
  public static Path tiny(Path folder) throws IOException {
    Files.createDirectories(folder);
    Files.copy(TINY, folder.resolve("model.onnx"), StandardCopyOption.REPLACE_EXISTING);
    var vocabulary = new StringBuilder("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (char c = 'a'; c <= 'm'; c++) {
      vocabulary.append(c).append("\n##").append(c).append('\n');
    }
    Files.writeString(folder.resolve("vocab.txt"), vocabulary);
    write(folder, "{\"max_seq_length\": 16}", false, "mean_tokens");
    return folder;
  }

  /** What a folder says of its model. */
  static void write(Path folder, String sentence, boolean normalize, String pooling)
      throws IOException {
    Files.createDirectories(folder.resolve("1_Pooling"));
    Files.writeString(folder.resolve("sentence_bert_config.json"), sentence);
    Files.writeString(
        folder.resolve("1_Pooling/config.json"),
        "{\"pooling_mode_mean_tokens\": %b, \"pooling_mode_cls_token\": %b}"
            .formatted(pooling.equals("mean_tokens"), pooling.equals("cls_token")));
    String module = "{\"path\": \"%s\", \"type\": \"sentence_transformers.models.%s\"}";
    Files.writeString(
        folder.resolve("modules.json"),
        "["
            + module.formatted("", "Transformer")
            + ","
            + module.formatted("1_Pooling", "Pooling")
            + (normalize ? "," + module.formatted("2_Normalize", "Normalize") : "")
            + "]");
  }
}
