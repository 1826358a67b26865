package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException.Code;
import io.ruvector.oracle.BruteForce;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Searches of a part of the cells, and what only an index with cells has. */
class IvfIndexTest {
  private static final IdFilter ALL = IdFilter.all();
  private static final int DIM = 32;
  private static final int ROWS = 4_000;
  private static final int QUERIES = 50;
  private static final int K = 10;

  @TempDir Path folder;

  private static float[][] clustered(Random random) {
    return Data.clustered(random, ROWS + QUERIES, DIM, 40);
  }

  /** The same directions with log-normal norms, which decide the inner product. */
  private static float[][] ofVariedNorms(Random random) {
    float[][] vectors = clustered(random);
    for (float[] vector : vectors) {
      float norm = (float) Math.exp(0.5 * random.nextGaussian());
      for (int i = 0; i < DIM; i++) {
        vector[i] *= norm;
      }
    }
    return vectors;
  }

  private static double recall(VectorIndex index, BruteForce oracle, float[][] all, int nprobe) {
    double sum = 0;
    for (float[] query : Arrays.copyOfRange(all, ROWS, ROWS + QUERIES)) {
      var request = SearchRequest.of(query).k(K);
      SearchResult result = index.search(nprobe == 0 ? request : request.nprobe(nprobe));
      oracle.checkHits(result, query, K, ALL);
      sum += oracle.recall(result, query, K, ALL);
    }
    return sum / QUERIES;
  }

  /** More cells find more; the default finds most, in a fraction of the rows. */
  @ParameterizedTest
  @EnumSource(Metric.class)
  void recallGrowsWithTheCellsProbed(Metric metric) {
    Random random = Seed.random("probes" + metric);
    float[][] all = metric == Metric.INNER_PRODUCT ? ofVariedNorms(random) : clustered(random);
    float[][] vectors = Arrays.copyOf(all, ROWS);
    var oracle = BruteForce.of(metric, vectors);
    try (var index = IvfIndex.build(Vectors.copyOf(vectors), IndexOptions.of(metric).nlist(64))) {
      assertEquals(64, index.info().cells());
      SearchStats stats = index.search(all[ROWS], K).stats();
      // By the inner product it does not stop early.
      long probes = metric == Metric.INNER_PRODUCT ? 32 : 24;
      assertTrue(stats.probed() <= probes, stats::toString);
      assertTrue(stats.scanned() < ROWS * 3 / 4, stats::toString);
      double one = recall(index, oracle, all, 1);
      double few = recall(index, oracle, all, 8);
      double most = recall(index, oracle, all, 64);
      System.out.printf("%s: recall of 1, 8 and 64 cells %.3f %.3f %.3f%n", metric, one, few, most);
      assertTrue(one < few && few <= most + 0.01, "more cells find less");
      assertTrue(few >= 0.95, () -> "8 of 64 cells find " + few);
      assertTrue(most >= 0.97, () -> "all cells find " + most);
      for (float[] query : Arrays.copyOfRange(all, ROWS, ROWS + QUERIES)) {
        var request = SearchRequest.of(query).k(K).nprobe(65_536).epsilon(16).rerankFactor(65_536);
        SearchResult result = index.search(request);
        assertEquals(64, result.stats().probed());
        oracle.checkExact(result, query, K, ALL);
      }
    }
  }

  static Stream<Arguments> metricsWithAndWithoutOriginals() {
    return Arrays.stream(Metric.values())
        .flatMap(m -> Stream.of(Originals.COPY, Originals.NONE).map(o -> Arguments.of(m, o)));
  }

  /** Where the nearest cell has too few rows that are allowed, others have them. */
  @ParameterizedTest
  @MethodSource("metricsWithAndWithoutOriginals")
  void kHitsWhereverKExist(Metric metric, Originals originals) {
    Random random = Seed.random("kHits" + metric + originals);
    float[][] all = clustered(random);
    float[][] vectors = Arrays.copyOf(all, ROWS);
    var oracle = BruteForce.of(metric, vectors);
    var options = IndexOptions.of(metric).nlist(100).nprobe(1).originals(originals);
    try (var index = IvfIndex.build(Vectors.copyOf(vectors), options)) {
      List<IdFilter> filters =
          List.of(
              IdFilter.none(),
              IdFilter.of(17),
              IdFilter.of(random.longs(100, 0, ROWS).toArray()),
              IdFilter.of(random.longs(1_000, 0, ROWS).toArray()),
              IdFilter.range(0, ROWS / 2),
              ALL);
      for (IdFilter filter : filters) {
        for (int k : new int[] {1, K, 300, ROWS + 1}) {
          float[] query = all[ROWS + random.nextInt(QUERIES)];
          var request = SearchRequest.of(query).k(k).filter(filter);
          oracle.checkHits(index.search(request), query, k, filter);
          SearchResult batch = index.searchBatch(Vectors.copyOf(query), request).get(0);
          oracle.checkHits(batch, query, k, filter);
        }
      }
    }
  }

  /** Range searches look into every cell that could hold a hit, whatever the index's nprobe. */
  @ParameterizedTest
  @EnumSource(Metric.class)
  void aRadiusIsNotBoundToTheCellsProbed(Metric metric) {
    Random random = Seed.random("radius" + metric);
    float[][] all = ofVariedNorms(random);
    float[][] vectors = Arrays.copyOf(all, ROWS);
    var oracle = BruteForce.of(metric, vectors);
    var options = IndexOptions.of(metric).nlist(64).nprobe(1);
    try (var index = IvfIndex.build(Vectors.copyOf(vectors), options)) {
      for (float[] query : Arrays.copyOfRange(all, ROWS, ROWS + 10)) {
        var truth = oracle.search(query, 401, ALL);
        float radius = (truth.get(399).score() + truth.get(400).score()) / 2;
        var request = RangeRequest.of(query, radius).epsilon(16).limit(ROWS);
        assertEquals(400, index.searchRange(request).size());
      }
    }
  }

  @Test
  void infoTellsWhatWasAskedFor() {
    Path file = folder.resolve("info.rvx");
    float[][] vectors = Data.vectors(Seed.random("info"), 500, DIM);
    var options = IndexOptions.defaults().nlist(20).nprobe(3).bits(2);
    try (var index = IvfIndex.build(Vectors.copyOf(vectors), options)) {
      index.save(file);
      try (var opened = assertInstanceOf(IvfIndex.class, VectorIndex.open(file))) {
        for (var each : List.of(index, opened)) {
          IndexInfo info = each.info();
          assertEquals(IndexKind.IVF, info.kind());
          assertEquals(20, info.nlist());
          assertEquals(3, info.nprobe());
          assertEquals(20, info.cells());
          assertTrue(each.search(vectors[0], 1).stats().probed() <= 3);
          var all = SearchRequest.of(vectors[0]).nprobe(20);
          assertEquals(20, each.search(all).stats().probed());
          assertTrue(each.toString().startsWith("IvfIndex[500 rows of 32"), each::toString);
          assertTrue(each.toString().contains("2 bits, 20 cells, seed 42"), each::toString);
        }
      }
    }
    try (var plus = RabitqPlusIndex.build(Vectors.copyOf(vectors), options)) {
      assertEquals(0, plus.info().cells());
      assertEquals(0, plus.search(vectors[0], 1).stats().probed());
      assertTrue(!plus.toString().contains("cells"), plus::toString);
    }
  }

  /** Undivided and exact at first; divided once it has rows enough, and as good then. */
  @Test
  void anIndexMayStartEmpty() {
    Random random = Seed.random("empty");
    float[][] all = clustered(random);
    float[][] vectors = Arrays.copyOf(all, ROWS);
    var oracle = new BruteForce(Metric.L2);
    try (var index = IvfIndex.create(DIM, IndexOptions.defaults())) {
      assertEquals(0, index.info().cells());
      for (int i = 0; i < 50; i++) {
        index.add(i, vectors[i]);
        oracle.put(i, vectors[i]);
      }
      assertEquals(0, index.info().cells());
      oracle.checkExact(index.search(all[ROWS], K), all[ROWS], K, ALL);
      for (int i = 50; i < ROWS; i++) {
        oracle.put(i, vectors[i]);
      }
      index.addAll(Vectors.copyOf(Arrays.copyOfRange(vectors, 50, ROWS)), Ids.from(50));
      index.compact();
      assertTrue(index.info().cells() > 10, () -> index.info().toString());
      double found = recall(index, oracle, all, 0);
      assertTrue(found >= 0.9, () -> "recall " + found);
    }
  }

  @Test
  void withoutOriginals() {
    Path file = folder.resolve("codes.rvx");
    Random random = Seed.random("codes");
    float[][] all = clustered(random);
    float[][] vectors = Arrays.copyOf(all, ROWS);
    var oracle = BruteForce.of(Metric.L2, vectors);
    var options = IndexOptions.defaults().nlist(32).bits(7).originals(Originals.NONE);
    try (var index = IvfIndex.build(Vectors.copyOf(vectors), options);
        var whole = IvfIndex.build(Vectors.copyOf(vectors), options.originals(Originals.COPY))) {
      assertTrue(index.memoryBytes() + 4L * ROWS * DIM < 1.01 * whole.memoryBytes());
      index.save(file);
      try (var opened = (IvfIndex) VectorIndex.load(file)) {
        assertTrue(opened.contentEquals(index));
        opened.upsert(1, vectors[1]);
        opened.remove(2);
        opened.add(2, vectors[2]);
        opened.compact();
        for (IvfIndex each : List.of(index, opened)) {
          assertEquals(Originals.NONE, each.info().originals());
          double found = recall(each, oracle, all, 32);
          assertTrue(found >= 0.9, () -> "recall " + found);
          List<Executable> refused = List.of(() -> each.get(1), each::originals, each::iterator);
          for (Executable call : refused) {
            var e = assertThrows(IndexException.class, call);
            assertEquals(Code.UNSUPPORTED, e.code());
            assertTrue(e.getMessage().contains("keeps no originals"), e.getMessage());
          }
          try (var codes = each.codes()) {
            assertEquals(ROWS, codes.count());
          }
        }
      }
    }
  }

  /** In a buffer that it took over, and in a file that it mapped. */
  @Test
  void originalsElsewhere() throws IOException {
    float[][] vectors = Data.vectors(Seed.random("elsewhere"), 300, DIM);
    ByteBuffer bytes = ByteBuffer.allocate(300 * DIM * 4).order(ByteOrder.LITTLE_ENDIAN);
    VectorBuffer buffer = VectorBuffer.allocate(300, DIM);
    for (int i = 0; i < 300; i++) {
      buffer.put(i, vectors[i]);
      for (float x : vectors[i]) {
        bytes.putFloat(x);
      }
    }
    Path file = Files.write(folder.resolve("rows.f32"), bytes.array());
    var options = IndexOptions.defaults().nlist(7).nprobe(7);
    try (var copied = IvfIndex.build(Vectors.copyOf(vectors), options);
        var adopted = IvfIndex.build(buffer.asVectors(), options.originals(Originals.ADOPT));
        var mapped = IvfIndex.build(Vectors.map(file, DIM), options.originals(Originals.MAPPED))) {
      assertEquals(300L * DIM * Float.BYTES, mapped.info().mappedBytes());
      for (IvfIndex index : List.of(adopted, mapped)) {
        assertTrue(index.contentEquals(copied));
        for (int i = 0; i < 300; i++) {
          assertArrayEquals(vectors[i], index.get(i).orElseThrow());
        }
        SearchResult expected = copied.search(vectors[5], 20);
        SearchResult found = index.search(vectors[5], 20);
        assertArrayEquals(expected.ids(), found.ids());
        assertArrayEquals(expected.scores(), found.scores());
      }
    }
  }

  @Test
  void closedIndexesGiveNothing() {
    var index = IvfIndex.create(DIM, IndexOptions.defaults());
    index.close();
    List<Executable> uses = List.of(() -> index.get(1), index::originals, index::iterator);
    for (Executable use : uses) {
      assertThrows(IllegalStateException.class, use);
    }
    assertEquals("IvfIndex[closed]", index.toString());
  }
}
