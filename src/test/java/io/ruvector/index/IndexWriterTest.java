package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Indexes that are written straight to a file. */
class IndexWriterTest {
  private static final int DIM = 20;
  private static final int ROWS = 1_500;
  private static final long MEMORY = 1L << 28;

  @TempDir Path folder;

  private static Vectors part(float[][] all, int from, int to) {
    return Vectors.copyOf(Arrays.copyOfRange(all, from, to));
  }

  private static Path write(Path file, float[][] vectors) throws IOException {
    var bytes = ByteBuffer.allocate(vectors.length * DIM * Float.BYTES);
    var floats = bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    for (float[] vector : vectors) {
      floats.put(vector);
    }
    return Files.write(file, bytes.array());
  }

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> String.valueOf(file.getFileName())).sorted().toList();
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void theFileIsThatOfAnIndexBuiltInMemory(IndexKind kind) throws IOException {
    float[][] vectors = Data.clustered(Seed.random("writer" + kind), ROWS, DIM, 20);
    IndexOptions options = IndexOptions.of(Metric.COSINE).nlist(16);
    Path expected = folder.resolve("expected.rvx");
    try (var index = Kinds.build(kind, vectors, options)) {
      index.save(expected);
    }
    Path file = folder.resolve("written.rvx");
    try (var writer = IndexWriter.create(file, kind, DIM, options, MEMORY)) {
      writer.add(part(vectors, 0, 7));
      writer.add(part(vectors, 7, 1_000), Ids.from(7));
      writer.add(part(vectors, 1_000, ROWS));
      assertEquals(ROWS, writer.rows());
      assertFalse(Files.exists(file));
      writer.finish();
    }
    assertArrayEquals(Files.readAllBytes(expected), Files.readAllBytes(file), "batches");
    Path rows = write(folder.resolve("rows.f32"), vectors);
    for (Vectors all : List.of(Vectors.map(rows, DIM), Vectors.copyOf(vectors))) {
      IndexWriter.buildTo(file, kind, all, Ids.from(0), options, MEMORY);
      assertArrayEquals(Files.readAllBytes(expected), Files.readAllBytes(file), all.toString());
    }
    assertEquals(List.of("expected.rvx", "rows.f32", "written.rvx"), names());
  }

  @Test
  void whatIsRefusedLeavesNothing() throws IOException {
    float[][] vectors = Data.vectors(Seed.random("refused"), 40, DIM);
    Path file = folder.resolve("none.rvx");
    IndexOptions options = IndexOptions.defaults();
    try (var writer = IndexWriter.create(file, IndexKind.IVF, DIM, options, MEMORY)) {
      writer.add(Vectors.copyOf(vectors), Ids.from(5));
      assertThrows(
          DimensionMismatchException.class, () -> writer.add(Vectors.copyOf(new float[] {1})));
      float[] bad = new float[DIM];
      bad[3] = Float.NaN;
      var invalid =
          assertThrows(
              InvalidVectorException.class, () -> writer.add(Vectors.copyOf(vectors[0], bad)));
      assertEquals(1, invalid.row());
      assertThrows(
          IllegalArgumentException.class,
          () -> writer.add(Vectors.copyOf(vectors), Ids.of(1, 2, 3)));
      assertEquals(40, writer.rows());
      writer.add(Vectors.copyOf(vectors), Ids.from(44));
      var twice = assertThrows(DuplicateIdException.class, writer::finish);
      assertEquals(44, twice.id());
      assertEquals(40, twice.row());
      assertThrows(IllegalStateException.class, writer::finish);
      assertThrows(IllegalStateException.class, () -> writer.add(Vectors.copyOf(vectors)));
    }
    var abandoned = IndexWriter.create(file, IndexKind.RABITQ_PLUS, DIM, options, MEMORY);
    abandoned.add(Vectors.copyOf(vectors));
    abandoned.close();
    abandoned.close();
    assertThrows(IllegalStateException.class, () -> abandoned.add(Vectors.copyOf(vectors)));
    for (long little : new long[] {-1, 0, 1_000}) {
      var e =
          assertThrows(
              IllegalArgumentException.class,
              () -> IndexWriter.create(file, IndexKind.IVF, DIM, options, little));
      assertTrue(e.getMessage().contains(String.valueOf(little)), e.getMessage());
    }
    assertThrows(
        IllegalArgumentException.class,
        () ->
            IndexWriter.create(
                file,
                IndexKind.FLAT_F32,
                DIM,
                IndexOptions.defaults().originals(Originals.NONE),
                MEMORY));
    assertThrows(
        PersistException.class,
        () ->
            IndexWriter.create(
                folder.resolve("none/at/all.rvx"), IndexKind.IVF, DIM, options, MEMORY));
    assertEquals(List.of(), names());
  }
}
