import io.ruvector.index.Hit;
import io.ruvector.index.IdFilter;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.Ids;
import io.ruvector.index.Metric;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.SearchResult;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** From vectors to hits: the program of tutorial 1. */
public class HelloVectors {
  public static void main(String[] args) throws IOException {
    // Six animals by size, fur and wings.
    String[] names = {"mouse", "cat", "bear", "sparrow", "eagle", "bat"};
    float[][] animals = {
      {0.1f, 1.0f, 0.0f},
      {0.3f, 1.0f, 0.0f},
      {1.0f, 1.0f, 0.0f},
      {0.1f, 0.0f, 1.0f},
      {0.5f, 0.0f, 1.0f},
      {0.1f, 0.9f, 1.0f},
    };

    var options = IndexOptions.of(Metric.L2);
    try (var index = RabitqPlusIndex.build(Vectors.copyOf(animals), options)) {
      float[] query = {0.25f, 1.0f, 0.0f};
      for (Hit hit : index.search(query, 3)) {
        System.out.printf("%-8s %.4f%n", names[(int) hit.id()], hit.score());
      }

      // Only those with wings: the ids from 3 on.
      var winged = SearchRequest.of(query).k(1).filter(IdFilter.range(3, 6));
      SearchResult result = index.search(winged);
      System.out.println("with wings: " + names[(int) result.ids()[0]]);

      // Rows come and go; ids are the caller's.
      index.add(100, new float[] {0.2f, 0.9f, 0.1f});
      index.upsertAll(Vectors.copyOf(new float[] {0.2f, 1.0f, 0.0f}), Ids.of(1));
      index.remove(2);
      System.out.println(index.size() + " animals, nearest: " + index.search(query, 1).ids()[0]);

      Path file = Files.createTempFile("animals", ".rvx");
      index.save(file);
      try (VectorIndex opened = VectorIndex.open(file)) {
        System.out.println("the same from a file: " + opened.search(query, 1).ids()[0]);
      }
      Files.delete(file);
    }
  }
}
