import io.ruvector.embed.EmbedRequest;
import io.ruvector.embed.EmbedResult;
import io.ruvector.embed.Embedder;
import io.ruvector.index.Hit;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.Originals;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** From lines of text to a saved index: the program of tutorial 3. */
public class TextToSearch {
  public static void main(String[] args) throws IOException {
    List<String> corpus = Files.readAllLines(Path.of("tutorials/glosses.txt"));
    Path file = Files.createTempDirectory("texts").resolve("glosses.rvx");
    try (var embedder =
        args.length == 0
            ? Embedder.fromPretrained("all-MiniLM-L6-v2")
            : Embedder.fromDirectory(Path.of(args[0]))) {
      System.out.println(embedder.dimension() + " dimensions");

      var request = EmbedRequest.of(corpus).batchSize(64);
      try (EmbedResult result = embedder.embed(request)) {
        System.out.println(result.truncated().cardinality() + " texts too long");
        var options = IndexOptions.defaults().originals(Originals.ADOPT);
        try (var index = RabitqPlusIndex.build(result.vectors(), options)) {
          index.save(file);
        }
      }

      try (var index = VectorIndex.open(file)) {
        for (String query : List.of("big cats", "how plants get ill", "tools for taking photos")) {
          System.out.println(query);
          for (Hit hit : index.search(embedder.embedQuery(query), 2)) {
            System.out.println("  " + corpus.get((int) hit.id()));
          }
        }
      }
      int tokens = embedder.tokenize("word ".repeat(1_000)).length;
      System.out.println(tokens + " tokens, of which " + embedder.maxTokens() + " count");
    }
    Files.delete(file);
    Files.delete(file.getParent());
  }
}
