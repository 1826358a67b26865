import io.ruvector.embed.Embedder;
import io.ruvector.internal.Json;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;

/** Prints the ids of the tokens of texts: a model's folder, and a file with a JSON string on each line. */
final class Tokenize {
  public static void main(String[] args) throws Exception {
    try (var embedder = Embedder.fromDirectory(Path.of(args[0]));
        var lines = Files.lines(Path.of(args[1]))) {
      var out = new StringBuilder();
      for (String line : (Iterable<String>) lines::iterator) {
        var text = (String) Json.read(line.getBytes(StandardCharsets.UTF_8));
        out.append(
                Arrays.stream(embedder.tokenize(text))
                    .mapToObj(Integer::toString)
                    .collect(Collectors.joining(" ")))
            .append('\n');
      }
      System.out.print(out);
    }
  }
}
