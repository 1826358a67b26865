package io.ruvector.cli;

import io.ruvector.embed.EmbedOptions;
import io.ruvector.embed.EmbedRequest;
import io.ruvector.embed.EmbedResult;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "embed",
    description = {
      "Make vectors of lines of text.",
      "",
      "Without -o, prints a line of JSON for each: {\"text\": .., \"vector\": [..]}."
    },
    footer = {
      "",
      "Examples:",
      "  ruvector embed --input lines.txt -o lines.npy",
      "  echo 'some text' | ruvector embed --model ./bge-small-en-v1.5"
    })
final class EmbedCommand implements Callable<Integer> {
  private static final List<String> ENDINGS = List.of(".npy", ".fvecs", ".f32", ".jsonl");

  @Mixin private final ModelMixin model = new ModelMixin();

  @Option(
      names = "--input",
      paramLabel = "FILE",
      description = "A text on each line, in UTF-8; by default stdin.")
  private @Nullable Path input;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = "Where to write; its ending tells the format: .npy, .fvecs, .f32 or .jsonl.")
  private @Nullable Path target;

  @Option(
      names = "--batch-size",
      defaultValue = "32",
      paramLabel = "N",
      description = "Texts that the model gets at once; by default ${DEFAULT-VALUE}.")
  private int batchSize;

  @Option(
      names = "--max-tokens",
      defaultValue = "0",
      paramLabel = "N",
      description = "Tokens of a text that count; by default as many as the model says.")
  private int maxTokens;

  @Option(
      names = "--threads",
      defaultValue = "0",
      paramLabel = "N",
      description = "By default all cores.")
  private int threads;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    Path file = target;
    if (file != null) {
      if (!ENDINGS.contains(DataFile.ending(file))) {
        throw CliException.usage(
            "-o %s: '%s' is not one of %s"
                .formatted(file, DataFile.ending(file), String.join(", ", ENDINGS)));
      }
      DataFile.checkTarget(file);
    }
    List<String> texts =
        input == null ? ModelMixin.lines(System.in, "stdin") : ModelMixin.lines(input);
    EmbedRequest request = EmbedRequest.of(texts).batchSize(batchSize);
    var options = EmbedOptions.defaults().threads(threads).maxTokens(maxTokens);
    try (EmbedResult result = model.embed(request, texts.size(), options, output)) {
      Vectors vectors = result.vectors();
      if (file == null) {
        for (int row = 0; row < texts.size(); row++) {
          output.out().println(json(texts.get(row), vectors.row(row)));
        }
        output.out().flush();
      } else {
        VectorWriter.whole(file, out -> write(out, DataFile.ending(file), texts, vectors));
        Report report = output.report();
        report.add(
            "embed",
            new Row()
                .put("file", file.toString())
                .put("texts", texts.size())
                .put("dim", vectors.dim())
                .put("truncated", result.truncated().cardinality())
                .put("bytes", Files.size(file)));
        report.finish();
      }
    }
    return ExitCode.OK;
  }

  private static void write(OutputStream out, String ending, List<String> texts, Vectors vectors)
      throws IOException {
    if (ending.equals(".jsonl")) {
      for (int row = 0; row < texts.size(); row++) {
        String line = json(texts.get(row), vectors.row(row)) + "\n";
        out.write(line.getBytes(StandardCharsets.UTF_8));
      }
      return;
    }
    var writer = new VectorWriter(out, ending, vectors.rows(), vectors.dim());
    for (long row = 0; row < vectors.rows(); row++) {
      writer.write(vectors.row(row));
    }
  }

  private static String json(String text, float[] vector) {
    var line = new StringBuilder("{\"text\":").append(Report.quoted(text)).append(",\"vector\":[");
    for (int i = 0; i < vector.length; i++) {
      line.append(i == 0 ? "" : ",").append(vector[i]);
    }
    return line.append("]}").toString();
  }
}
