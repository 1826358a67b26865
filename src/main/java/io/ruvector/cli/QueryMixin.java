package io.ruvector.cli;

import io.ruvector.embed.EmbedOptions;
import io.ruvector.embed.Embedder;
import io.ruvector.index.IdFilter;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Queries, and what every search may ask for. */
final class QueryMixin {
  @ArgGroup(multiplicity = "1")
  private final Queries queries = new Queries();

  private static final class Queries {
    @Option(
        names = "--query",
        paramLabel = "\"X,X,..\"",
        description = "One query: its components with commas between.")
    private @Nullable String text;

    @Option(
        names = "--queries",
        paramLabel = "FILE",
        description = "A file of queries: .fvecs, .npy, .csv, or raw 32-bit floats.")
    private @Nullable Path file;

    @Option(
        names = "--text",
        paramLabel = "TEXT",
        description = "One query: a text to be embedded by the index's model.")
    private @Nullable String words;
  }

  @Mixin private final ModelMixin model = new ModelMixin();

  @Option(
      names = "-k",
      defaultValue = "10",
      paramLabel = "K",
      description = "Hits for each query; by default ${DEFAULT-VALUE}.")
  private int k;

  @Option(
      names = "--recall",
      paramLabel = "R",
      description =
          "The part of the true k nearest to find: chooses the settings that are not given, by a "
              + "measured model. 1: exact.")
  private @Nullable Double recall;

  @Option(
      names = "--filter",
      paramLabel = "IDS",
      converter = IdFilterConverter.class,
      description = "Hits among these ids only, such as 0..1000,5000 (ends included).")
  private @Nullable IdFilter filter;

  SearchRequest template() {
    SearchRequest template = SearchRequest.template().k(k);
    template = recall == null ? template : template.recall(recall);
    return filter == null ? template : template.filter(filter);
  }

  /**
   * The queries.
   *
   * @param dim the components that each row of a file must have; null: as the file says
   */
  Vectors read(@Nullable Integer dim, OutputMixin output) throws IOException {
    if (queries.text != null) {
      String[] parts = queries.text.split(",", -1);
      float[] query = new float[parts.length];
      for (int i = 0; i < query.length; i++) {
        try {
          query[i] = Float.parseFloat(parts[i].strip());
        } catch (NumberFormatException e) {
          throw CliException.usage(
              "--query: component %d: not a number: '%s'".formatted(i, parts[i]));
        }
      }
      return Vectors.copyOf(query);
    }
    if (queries.words != null) {
      try (Embedder embedder = model.open(EmbedOptions.defaults(), output)) {
        return Vectors.copyOf(embedder.embedQuery(queries.words));
      }
    }
    if (queries.file == null) {
      throw CliException.usage("one of --query, --queries and --text is needed");
    }
    return DataFile.queries(queries.file, dim, output);
  }
}
