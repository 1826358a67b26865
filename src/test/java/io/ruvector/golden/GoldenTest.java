package io.ruvector.golden;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ruvector.index.FlatF32Index;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.IvfIndex;
import io.ruvector.index.Metric;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.SearchResult;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The golden files that Rust reads, read through the public API. */
class GoldenTest {
  private static final Path TESTDATA = Path.of("testdata");

  private static double[] field(String file, String name) throws IOException {
    String prefix = '"' + name + "\":";
    try (var lines = Files.lines(TESTDATA.resolve("golden").resolve(file))) {
      String line = lines.filter(l -> l.startsWith(prefix)).findFirst().orElseThrow();
      String values = line.substring(prefix.length()).replaceAll("[\\[\\]]|,$", "");
      return Arrays.stream(values.split(",")).mapToDouble(Double::parseDouble).toArray();
    }
  }

  private static float[][] rows(double[] values, int dim) {
    var rows = new float[values.length / dim][dim];
    for (int i = 0; i < values.length; i++) {
      rows[i / dim][i % dim] = (float) values[i];
    }
    return rows;
  }

  private static void checkHits(VectorIndex index, String file) throws IOException {
    int dim = (int) field(file, "dim")[0];
    int k = (int) field(file, "k")[0];
    double[] hits = field(file, "hits");
    double[] scores = field(file, "scores");
    float[][] queries = rows(field(file, "queries"), dim);
    for (int q = 0; q < queries.length; q++) {
      SearchResult found = index.search(queries[q], k);
      for (int i = 0; i < k; i++) {
        double score = scores[q * k + i];
        assertEquals((long) hits[q * k + i], found.ids()[i], file);
        assertEquals(score, found.scores()[i], 1e-5 * Math.max(1, Math.abs(score)), file);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "search_l2.json, L2",
    "search_cosine.json, COSINE",
    "search_inner_product.json, INNER_PRODUCT"
  })
  void search(String file, Metric metric) throws IOException {
    var vectors = Vectors.copyOf(rows(field("vectors.json", "vectors"), 24));
    Ids ids = Ids.of(Arrays.stream(field(file, "ids")).mapToLong(x -> (long) x).toArray());
    IndexOptions options = IndexOptions.of(metric);
    try (var flat = FlatF32Index.build(vectors, ids, options);
        var plus = RabitqPlusIndex.build(vectors, ids, options);
        var ivf = IvfIndex.build(vectors, ids, options.nlist(8).nprobe(8))) {
      checkHits(flat, file);
      checkHits(plus, file);
      checkHits(ivf, file);
    }
  }

  @Test
  void versionOneOfTheFormat() throws IOException {
    Path path = TESTDATA.resolve("format").resolve("v1.rvx");
    VectorIndex.verify(path);
    float[][] rows = rows(field("vectors.json", "vectors"), 24);
    double[] ids = field("search_cosine.json", "ids");
    try (var index = (RabitqPlusIndex) VectorIndex.open(path)) {
      assertEquals(rows.length, index.size());
      checkHits(index, "search_cosine.json");
      for (int i = 0; i < rows.length; i++) {
        assertArrayEquals(rows[i], index.get((long) ids[i]).orElseThrow());
      }
    }
  }
}
