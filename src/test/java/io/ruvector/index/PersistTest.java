package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException.Code;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Saving, opening and distrusting files. */
class PersistTest {
  private static final int DIM = 25;

  @TempDir Path folder;

  static Stream<Arguments> kindsAndMetrics() {
    return Kinds.kindsAndMetrics();
  }

  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void whatIsSavedIsOpened(IndexKind kind, Metric metric) {
    Random random = Seed.random("saved" + kind + metric);
    // Not ASCII, with a space: the path crosses as UTF-8.
    Path file = folder.resolve("vectors \u00e9\u4e2d.rvx");
    float[][] vectors = Data.vectors(random, 140, DIM);
    try (var index = Kinds.build(kind, vectors, IndexOptions.of(metric))) {
      index.upsertAll(Vectors.copyOf(Data.vectors(random, 30, DIM)), Ids.from(130));
      index.remove(3, 4, 5);
      index.compact();
      index.save(file);
      VectorIndex.verify(file);
      for (OpenOptions options :
          new OpenOptions[] {
            OpenOptions.defaults(),
            OpenOptions.verified(),
            OpenOptions.of(OpenMode.IN_MEMORY),
            OpenOptions.verified().mode(OpenMode.IN_MEMORY),
            OpenOptions.of(OpenMode.CODES_IN_MEMORY)
          }) {
        try (var opened = VectorIndex.open(file, options)) {
          assertEquals(index.getClass(), opened.getClass());
          assertTrue(index.contentEquals(opened) && opened.contentEquals(index));
          assertEquals(157, opened.size());
          boolean mapped =
              switch (options.mode()) {
                case MAPPED -> true;
                case IN_MEMORY -> false;
                case CODES_IN_MEMORY -> kind.keepsOriginals();
              };
          assertEquals(mapped, opened.info().mappedBytes() > 0);
          float[] query = Data.vector(random, DIM);
          SearchResult expected = index.search(query, 10);
          SearchResult found = opened.search(query, 10);
          assertArrayEquals(expected.ids(), found.ids());
          assertArrayEquals(expected.scores(), found.scores());
          opened.upsert(1_000, vectors[0]);
          assertTrue(opened.contains(1_000));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void savingTwiceGivesTheSameBytes(IndexKind kind) throws IOException {
    float[][] vectors = Data.vectors(Seed.random("bytes" + kind), 100, DIM);
    Path one = folder.resolve("one");
    Path two = folder.resolve("two");
    try (var index = Kinds.build(kind, vectors, IndexOptions.defaults());
        var again = Kinds.build(kind, vectors, IndexOptions.defaults())) {
      index.save(one);
      again.save(two);
      assertEquals(-1, Files.mismatch(one, two));
      again.save(one);
      assertEquals(-1, Files.mismatch(one, two));
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void anEmptyIndexIsSaved(IndexKind kind) {
    Path file = folder.resolve("empty");
    try (var index = Kinds.create(kind, DIM, IndexOptions.defaults())) {
      index.save(file);
    }
    try (var opened = VectorIndex.open(file)) {
      assertEquals(0, opened.size());
      opened.add(1, new float[DIM]);
      assertEquals(1, opened.size());
    }
  }

  /** Each flip is found by verify; without it the file is refused, or gives an answer. */
  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void flippedBits(IndexKind kind) throws IOException {
    Random random = Seed.random("flips" + kind);
    Path file = folder.resolve("flips");
    float[][] vectors = Data.vectors(random, 80, DIM);
    try (var index = Kinds.build(kind, vectors, IndexOptions.defaults())) {
      index.save(file);
    }
    byte[] good = Files.readAllBytes(file);
    for (int i = 0; i < 300; i++) {
      byte[] bytes = good.clone();
      bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
      Files.write(file, bytes);
      var e = assertThrows(PersistException.class, () -> VectorIndex.verify(file));
      assertEquals(Code.PERSIST, e.code());
      assertThrows(PersistException.class, () -> VectorIndex.open(file, OpenOptions.verified()));
      try (var opened = VectorIndex.load(file)) {
        opened.search(vectors[0], 5);
      } catch (IndexException refused) {
        assertTrue(refused.getMessage() != null);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void truncatedFiles(IndexKind kind) throws IOException {
    Path file = folder.resolve("truncated");
    float[][] vectors = Data.vectors(Seed.random("truncated" + kind), 70, DIM);
    try (var index = Kinds.build(kind, vectors, IndexOptions.defaults())) {
      index.save(file);
    }
    byte[] good = Files.readAllBytes(file);
    for (int length = 0; length < good.length; length += Math.max(1, good.length / 97)) {
      Files.write(file, Arrays.copyOf(good, length));
      for (OpenMode mode : OpenMode.values()) {
        var e =
            assertThrows(
                PersistException.class, () -> VectorIndex.open(file, OpenOptions.of(mode)));
        assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
      }
    }
  }

  @Test
  void missingFilesAndFolders() {
    Path missing = folder.resolve("no such folder").resolve("index");
    var e = assertThrows(PersistException.class, () -> VectorIndex.open(missing));
    assertTrue(e.getMessage().contains(missing.toString()), e.getMessage());
    try (var index = FlatF32Index.create(3, IndexOptions.defaults())) {
      assertThrows(PersistException.class, () -> index.save(missing));
    }
  }

  @Test
  void rbpxGoesThereAndBack() {
    float[][] vectors = Data.vectors(Seed.random("rbpx"), 120, DIM);
    Path file = folder.resolve("index.rbpx");
    try (var index = Kinds.build(IndexKind.RABITQ_PLUS, vectors, IndexOptions.defaults())) {
      index.exportRbpx(file);
      try (var imported = VectorIndex.importRbpx(file)) {
        assertInstanceOf(RabitqPlusIndex.class, imported);
        assertEquals(120, imported.size());
        for (int i = 0; i < 120; i += 11) {
          assertEquals(i, imported.search(vectors[i], 1).ids()[0]);
        }
      }
      index.upsert(1L << 40, vectors[0]);
      var e = assertThrows(IndexException.class, () -> index.exportRbpx(file));
      assertEquals(Code.UNSUPPORTED, e.code());
    }
  }
}
