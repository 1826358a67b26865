package io.ruvector.cli;

import io.ruvector.embed.EmbedOptions;
import io.ruvector.embed.EmbedRequest;
import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A file of vectors or of texts, and where the ids come from. */
@SuppressWarnings("NullAway.Init")
final class InputMixin {
  @ArgGroup(multiplicity = "1")
  private Source source;

  private static final class Source {
    @Option(
        names = "--input",
        paramLabel = "FILE",
        description =
            "The vectors: .fvecs, .npy (32-bit or 16-bit floats), .csv (perhaps with a header); "
                + "anything else is little-endian 32-bit floats without a header.")
    private @Nullable Path vectors;

    @Option(
        names = "--text",
        paramLabel = "FILE",
        description = "Lines of text in UTF-8, to be embedded.")
    private @Nullable Path text;
  }

  @Mixin private final ModelMixin model = new ModelMixin();

  @Option(
      names = "--dim",
      paramLabel = "D",
      description = "Components of each vector; needed where the file does not tell.")
  private @Nullable Integer dim;

  @Option(
      names = "--ids",
      paramLabel = "FILE",
      description = "The ids: one on each line, or .npy of 64-bit integers.")
  private @Nullable Path ids;

  @Option(
      names = "--id-column",
      paramLabel = "COLUMN",
      description = "The .csv file's column of ids: its name in the header, or its number from 1.")
  private @Nullable String idColumn;

  @Option(
      names = "--first-id",
      paramLabel = "ID",
      description = "The id of the first vector, where the ids count up.")
  private @Nullable Long firstId;

  /** Vectors with their ids. */
  record Input(Vectors vectors, Ids ids) {}

  boolean hasIds() {
    return ids != null || idColumn != null || firstId != null;
  }

  /** Reads the files; ids that nothing tells count up from 0. */
  Input read(@Nullable Integer indexDim, OutputMixin output) throws IOException {
    if ((ids != null ? 1 : 0) + (idColumn != null ? 1 : 0) + (firstId != null ? 1 : 0) > 1) {
      throw CliException.usage("only one of --ids, --id-column and --first-id can be given");
    }
    Integer expected = dim != null ? dim : indexDim;
    long[] listed = ids == null ? null : DataFile.ids(ids);
    Ids chosen = listed != null ? Ids.of(listed) : Ids.from(firstId != null ? firstId : 0);
    Path input = source.vectors;
    if (input == null) {
      return new Input(embedded(Objects.requireNonNull(source.text), listed, output), chosen);
    }
    if (DataFile.ending(input).equals(".csv")) {
      Csv.Rows rows = Csv.read(input, idColumn, expected, output);
      return new Input(rows.vectors(), rows.ids() != null ? Ids.of(rows.ids()) : chosen);
    }
    if (idColumn != null) {
      throw CliException.usage("--id-column is for .csv files, and %s is none".formatted(input));
    }
    return new Input(DataFile.vectors(input, expected), chosen);
  }

  private Vectors embedded(Path file, long @Nullable [] listed, OutputMixin output)
      throws IOException {
    if (dim != null || idColumn != null) {
      throw CliException.usage("--dim and --id-column are not for --text");
    }
    List<String> texts = ModelMixin.lines(file);
    if (listed != null && listed.length != texts.size()) {
      throw CliException.data(
          "%s: %d ids, expected one for each of the %d texts"
              .formatted(ids, listed.length, texts.size()));
    }
    return model
        .embed(EmbedRequest.of(texts), texts.size(), EmbedOptions.defaults(), output)
        .vectors();
  }
}
