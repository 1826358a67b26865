package io.ruvector.cli;

import io.ruvector.embed.EmbedOptions;
import io.ruvector.embed.EmbedRequest;
import io.ruvector.embed.EmbedResult;
import io.ruvector.embed.Embedder;
import io.ruvector.embed.ModelCache;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
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

  /** Opens the model: a folder where there is one of that name, else one that may be downloaded. */
  Embedder open(EmbedOptions options, OutputMixin output) {
    Path folder = Path.of(model);
    if (Files.isDirectory(folder)) {
      return Embedder.fromDirectory(folder, options);
    }
    try (var download = new Download(output)) {
      var cache = ModelCache.ofEnvironment().onProgress(download);
      return Embedder.fromPretrained(model, options, cache);
    }
  }

  /** A bar for each file that is downloaded. */
  private static final class Download implements ModelCache.Progress, AutoCloseable {
    private final OutputMixin output;
    private String file = "";
    private @Nullable Progress bar;

    Download(OutputMixin output) {
      this.output = output;
    }

    @Override
    public void downloaded(String name, long bytes, long total) {
      Progress shown = bar;
      if (shown == null || !name.equals(file)) {
        close();
        file = name;
        shown = output.progress("downloading " + name, total);
        bar = shown;
      }
      shown.reach(bytes);
    }

    @Override
    public void close() {
      if (bar != null) {
        bar.close();
      }
    }
  }

  /** Embeds texts, which are there before the model is, with the progress shown. */
  EmbedResult embed(EmbedRequest request, int texts, EmbedOptions options, OutputMixin output) {
    try (Embedder embedder = open(options, output);
        Progress progress = output.progress("embedding %d texts".formatted(texts), texts)) {
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
    // As bytes at first: a reader of UTF-8 would refuse a block, not the line.
    var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.ISO_8859_1));
    CharsetDecoder utf8 = StandardCharsets.UTF_8.newDecoder();
    List<String> lines = new ArrayList<>();
    try {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        byte[] bytes = line.getBytes(StandardCharsets.ISO_8859_1);
        lines.add(utf8.decode(ByteBuffer.wrap(bytes)).toString());
      }
    } catch (CharacterCodingException e) {
      throw CliException.data("%s: line %d: not UTF-8".formatted(name, lines.size() + 1));
    } catch (IOException e) {
      throw CliException.data("%s: %s".formatted(name, e.getMessage()));
    }
    if (lines.isEmpty()) {
      throw CliException.data("%s: empty, expected a text on each line".formatted(name));
    }
    return lines;
  }
}
