package io.ruvector.bench;

import io.ruvector.index.FlatF32Index;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.RabitqAsymIndex;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** An index in a temporary file, which the page cache holds, and queries for it. */
record SavedIndex(Path file, float[][] queries) implements AutoCloseable {
  private static final int QUERIES = 1_000;

  /** Clustered rows; {@code shape} is their number and dimension, as in "100000x128". */
  static SavedIndex of(String kind, String shape) throws IOException {
    int by = shape.indexOf('x');
    int rows = Integer.parseInt(shape.substring(0, by));
    var data = new Clustered(Integer.parseInt(shape.substring(by + 1)));
    Path file = Files.createTempFile("ruvector-bench-", ".rvx");
    IndexOptions options = IndexOptions.defaults();
    try (VectorBuffer buffer = data.rows(rows);
        VectorIndex index =
            switch (kind) {
              case "flat" -> FlatF32Index.build(buffer.asVectors(), options);
              case "asym" -> RabitqAsymIndex.build(buffer.asVectors(), options);
              case "plus" -> RabitqPlusIndex.build(buffer.asVectors(), options);
              default -> throw new IllegalArgumentException(kind);
            }) {
      index.save(file);
    }
    return new SavedIndex(file, data.queries(QUERIES));
  }

  @Override
  public void close() throws IOException {
    Files.deleteIfExists(file);
  }
}
