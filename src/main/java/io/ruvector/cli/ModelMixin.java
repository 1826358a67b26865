package io.ruvector.cli;

import io.ruvector.embed.EmbedOptions;
import io.ruvector.embed.EmbedRequest;
import io.ruvector.embed.EmbedResult;
import io.ruvector.embed.Embedder;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** What makes vectors of texts. */
final class ModelMixin {
  @Option(
      names = "--model",
      defaultValue = "all-MiniLM-L6-v2",
      paramLabel = "MODEL",
      description =
          "What embeds texts: a model's name, or a folder of sentence-transformers with an ONNX "
              + "file; by default ${DEFAULT-VALUE}.")
  private String model = "";

  /** Opens the model: a folder where there is one of that name. */
  Embedder open(EmbedOptions options) {
    Path folder = Path.of(model);
    return Files.isDirectory(folder)
        ? Embedder.fromDirectory(folder, options)
        : Embedder.fromPretrained(model, options);
  }

  /** Embeds texts, with the progress shown. */
  static EmbedResult embed(Embedder embedder, EmbedRequest request, int texts, OutputMixin output) {
    try (Progress progress = output.progress("embedding %d texts".formatted(texts), texts)) {
      return embedder.embed(request.onProgress(progress::reach));
    }
  }

  /** The lines of a file of UTF-8, each a text. */
  static List<String> lines(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      return lines(in, file.toString());
    }
  }

  static List<String> lines(InputStream in, String name) throws IOException {
    // A decoder that refuses what is not UTF-8, where a charset would put other characters.
    var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder()));
    List<String> lines = new ArrayList<>();
    try {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        lines.add(line);
      }
    } catch (CharacterCodingException e) {
      throw CliException.data("%s: not UTF-8 after line %d".formatted(name, lines.size()));
    }
    if (lines.isEmpty()) {
      throw CliException.data("%s: empty, expected a text on each line".formatted(name));
    }
    return lines;
  }
}
