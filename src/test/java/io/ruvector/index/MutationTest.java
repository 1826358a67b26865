package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.BruteForce;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Random changes, each followed by a comparison with a map of what should be there. */
class MutationTest {
  private static final IdFilter ALL = IdFilter.all();
  private static final int DIM = 18;

  @TempDir Path folder;

  static Stream<Arguments> kindsAndMetrics() {
    return Kinds.kindsAndMetrics();
  }

  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void randomChanges(IndexKind kind, Metric metric) {
    Random random = Seed.random("changes" + kind + metric);
    var options = IndexOptions.of(metric);
    var oracle = new BruteForce(metric);
    VectorIndex index;
    if (random.nextBoolean()) {
      index = Kinds.create(kind, DIM, options);
    } else {
      float[][] vectors = Data.vectors(random, 150, DIM);
      for (int i = 0; i < vectors.length; i++) {
        oracle.put(i, vectors[i]);
      }
      index = Kinds.build(kind, vectors, options);
    }
    try {
      for (int step = 0; step < 120; step++) {
        if (random.nextInt(20) == 0) {
          Path file = folder.resolve("step" + step);
          index.save(file);
          index.close();
          index = random.nextBoolean() ? VectorIndex.open(file) : VectorIndex.load(file);
        }
        change(index, oracle, random);
        check(index, oracle, random);
      }
    } finally {
      index.close();
    }
  }

  private static void change(VectorIndex index, BruteForce oracle, Random random) {
    switch (random.nextInt(7)) {
      case 0 -> {
        long id = random.nextInt(400);
        float[] vector = Data.vector(random, DIM);
        if (oracle.rows().containsKey(id)) {
          var e = assertThrows(DuplicateIdException.class, () -> index.add(id, vector));
          assertEquals(id, e.id());
        } else {
          index.add(id, vector);
          oracle.put(id, vector);
        }
      }
      case 1 -> {
        long id = random.nextInt(400);
        float[] vector = Data.vector(random, DIM);
        assertEquals(oracle.rows().containsKey(id), index.upsert(id, vector));
        oracle.put(id, vector);
      }
      case 2, 3 -> {
        int n = 1 + random.nextInt(60);
        long first = random.nextInt(400);
        float[][] vectors = Data.vectors(random, n, DIM);
        long there =
            oracle.rows().keySet().stream().filter(i -> i >= first && i < first + n).count();
        assertEquals(there, index.upsertAll(Vectors.copyOf(vectors), Ids.from(first)));
        for (int i = 0; i < n; i++) {
          oracle.put(first + i, vectors[i]);
        }
      }
      case 4 -> {
        // New ids far up, none of which can be there.
        int n = 1 + random.nextInt(40);
        long first = random.nextLong(1L << 40, 1L << 50);
        long[] ids = new long[n];
        for (int i = 0; i < n; i++) {
          ids[i] = first - 3L * i;
        }
        float[][] vectors = Data.vectors(random, n, DIM);
        index.addAll(Vectors.copyOf(vectors), Ids.of(ids));
        for (int i = 0; i < n; i++) {
          oracle.put(ids[i], vectors[i]);
        }
      }
      case 5 -> {
        List<Long> known = new ArrayList<>(oracle.rows().keySet());
        long[] ids =
            random
                .longs(random.nextInt(50))
                .map(i -> known.isEmpty() ? i : known.get(Math.floorMod(i, known.size())))
                .toArray();
        long removed = 0;
        for (long id : ids) {
          removed += oracle.remove(id) ? 1 : 0;
        }
        assertEquals(removed, index.remove(ids));
      }
      default -> index.compact();
    }
  }

  private static void check(VectorIndex index, BruteForce oracle, Random random) {
    assertEquals(oracle.rows().size(), index.size());
    float[] query = Data.vector(random, DIM);
    int k = 1 + random.nextInt(20);
    if (oracle.rows().isEmpty()) {
      assertThrows(EmptyIndexException.class, () -> index.search(query, k));
      return;
    }
    IdFilter filter = random.nextBoolean() ? ALL : IdFilter.range(50, 200).or(IdFilter.of(7, 9));
    SearchRequest request =
        SearchRequest.of(query).k(k).filter(filter).epsilon(16).rerankFactor(65_536);
    SearchResult result = index.search(request);
    if (index instanceof KeepsOriginals originals) {
      oracle.checkExact(result, query, k, filter);
      checkOriginals(originals, oracle, random);
    } else {
      oracle.checkHits(result, query, k, filter);
    }
    long some = random.nextInt(400);
    assertEquals(oracle.rows().containsKey(some), index.contains(some));
  }

  private static void checkOriginals(KeepsOriginals index, BruteForce oracle, Random random) {
    long id = random.nextInt(400);
    float[] expected = oracle.rows().get(id);
    assertEquals(expected != null, index.get(id).isPresent());
    index.get(id).ifPresent(found -> assertSameBits(expected, found));
    if (random.nextInt(10) == 0) {
      Map<Long, float[]> all = new HashMap<>();
      for (IdVector row : index) {
        all.put(row.id(), row.vector());
      }
      assertEquals(oracle.rows().keySet(), all.keySet());
      all.forEach((i, vector) -> assertSameBits(oracle.rows().get(i), vector));
    }
  }

  private static void assertSameBits(float[] expected, float[] found) {
    assertEquals(expected.length, found.length);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(Float.floatToRawIntBits(expected[i]), Float.floatToRawIntBits(found[i]));
    }
  }

  /** Bits that arithmetic would lose: signed zeros, denormals, and the norm under cosine. */
  @ParameterizedTest
  @MethodSource("kindsAndMetrics")
  void originalsKeepTheirBits(IndexKind kind, Metric metric) {
    if (!kind.keepsOriginals()) {
      return;
    }
    float[][] vectors = {
      {-0f, 1, Float.MIN_VALUE}, {1e-30f, 3e12f, 0.1f}, {1 / 3f, -0f, 16_777_217f}
    };
    try (var index = Kinds.build(kind, vectors, IndexOptions.of(metric))) {
      index.add(3, new float[] {-0f, -1e-42f, 5});
      for (int i = 0; i < 3; i++) {
        assertSameBits(vectors[i], ((KeepsOriginals) index).get(i).orElseThrow());
      }
      assertSameBits(new float[] {-0f, -1e-42f, 5}, ((KeepsOriginals) index).get(3).orElseThrow());
      assertTrue(((KeepsOriginals) index).get(4).isEmpty());
    }
  }

  /** A batch with one bad row adds nothing. */
  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void changesAreWholeOrNot(IndexKind kind) {
    float[][] vectors = Data.vectors(Seed.random("whole" + kind), 10, DIM);
    try (var index = Kinds.build(kind, vectors, IndexOptions.defaults())) {
      long version = index.info().version();
      var rows = Vectors.copyOf(vectors);
      assertThrows(DuplicateIdException.class, () -> index.addAll(rows, Ids.from(9)));
      float[][] bad = Data.vectors(new Random(1), 3, DIM);
      bad[2][5] = Float.NaN;
      var e =
          assertThrows(
              InvalidVectorException.class,
              () -> index.upsertAll(Vectors.copyOf(bad), Ids.from(0)));
      assertEquals(2, e.row());
      assertEquals(10, index.size());
      assertFalse(index.contains(10));
      assertEquals(version, index.info().version());
      assertEquals(0, index.search(vectors[0], 1).ids()[0]);
    }
  }

  @Test
  void anIterationSeesOneMoment() {
    float[][] vectors = Data.vectors(Seed.random("moment"), 3_000, DIM);
    try (var index = FlatF32Index.build(Vectors.copyOf(vectors), IndexOptions.defaults())) {
      var rows = index.iterator();
      rows.next();
      index.remove(2_999, 2_998);
      index.add(5_000, vectors[0]);
      int n = 1;
      while (rows.hasNext()) {
        IdVector row = rows.next();
        assertArrayEquals(vectors[(int) row.id()], row.vector());
        n++;
      }
      assertEquals(3_000, n);
      try (var stream = index.originals()) {
        assertEquals(2_999, stream.count());
      }
    }
  }

  /** Readers see each upsert whole: an id is never missing, and its vector is old or new. */
  @ParameterizedTest
  @EnumSource(
      value = IndexKind.class,
      names = {"FLAT_F32", "RABITQ_PLUS", "IVF"})
  void readersNeverSeeHalfAChange(IndexKind kind) throws InterruptedException {
    Random random = Seed.random("readers" + kind);
    int n = 200;
    float[][] vectors = Data.vectors(random, n, DIM);
    var failure = new AtomicReference<Throwable>();
    var stop = new AtomicBoolean();
    try (var index = Kinds.build(kind, vectors, IndexOptions.defaults())) {
      List<Thread> readers = new ArrayList<>();
      for (int t = 0; t < 3; t++) {
        float[] query = Data.vector(random, DIM);
        readers.add(
            Thread.ofPlatform()
                .start(
                    () -> {
                      try {
                        while (!stop.get()) {
                          assertEquals(n, index.search(query, n + 10).size());
                          assertTrue(((KeepsOriginals) index).get(3).isPresent());
                        }
                      } catch (Throwable e) {
                        failure.set(e);
                      }
                    }));
      }
      for (int i = 0; i < 300; i++) {
        index.upsertAll(Vectors.copyOf(Data.vectors(random, 20, DIM)), Ids.from(i % (n - 20)));
        if (i % 50 == 0) {
          index.compact();
        }
      }
      stop.set(true);
      for (Thread reader : readers) {
        reader.join();
      }
      assertEquals(n, index.size());
    }
    if (failure.get() != null) {
      throw new AssertionError(failure.get());
    }
  }
}
