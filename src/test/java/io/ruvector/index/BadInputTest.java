package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVector;
import io.ruvector.RuVectorException;
import io.ruvector.RuVectorException.Code;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.function.Executable;

/** What each wrong argument gets: its type, and in its message what was expected and what came. */
class BadInputTest {
  private record Case(
      String name, Executable call, Class<? extends Exception> type, List<String> parts) {}

  private final List<Case> cases = new ArrayList<>();

  private void bad(String name, Executable call, Class<? extends Exception> type, String... parts) {
    cases.add(new Case(name, call, type, List.of(parts)));
  }

  private static float[] nan(int dim, int at) {
    float[] vector = new float[dim];
    java.util.Arrays.fill(vector, 1);
    vector[at] = Float.NaN;
    return vector;
  }

  private static float[] with(float value) {
    return new float[] {1, value, 1};
  }

  @TestFactory
  Stream<DynamicTest> arguments() {
    Class<IllegalArgumentException> misuse = IllegalArgumentException.class;
    var defaults = IndexOptions.defaults();
    bad("bits 9", () -> defaults.bits(9), misuse, "bits", "9", "0 to 8");
    bad("bits -1", () -> defaults.bits(-1), misuse, "bits", "-1", "0 to 8");
    bad("rerankFactor 0", () -> defaults.rerankFactor(0), misuse, "rerankFactor", "0", "1 to");
    bad("epsilon -1", () -> defaults.epsilon(-1), misuse, "epsilon", "-1", "0.0 to 16.0");
    bad("epsilon NaN", () -> defaults.epsilon(Float.NaN), misuse, "epsilon", "NaN");
    bad("nlist -1", () -> defaults.nlist(-1), misuse, "nlist is -1", "0 to 1048576");
    bad("nlist", () -> defaults.nlist(1_048_577), misuse, "nlist is 1048577", "0 to 1048576");
    bad("nprobe -1", () -> defaults.nprobe(-1), misuse, "nprobe is -1", "0 to 65536");
    bad("nprobe", () -> defaults.nprobe(65_537), misuse, "nprobe is 65537", "0 to 65536");
    for (IndexKind kind : IndexKind.values()) {
      bad("dim 0 " + kind, () -> Kinds.create(kind, 0, defaults), misuse, "dim", "0", "1 to 8192");
      bad("dim 8193 " + kind, () -> Kinds.create(kind, 8_193, defaults), misuse, "dim", "8193");
      bad(
          "adopt nothing " + kind,
          () -> Kinds.create(kind, 3, defaults.originals(Originals.ADOPT)),
          misuse,
          "originals",
          "ADOPT");
      var heap = Vectors.copyOf(with(1));
      bad(
          "adopt a copy " + kind,
          () -> Kinds.build(kind, heap, Ids.from(0), defaults.originals(Originals.ADOPT)),
          misuse,
          "originals",
          "ADOPT");
      bad(
          "map a copy " + kind,
          () -> Kinds.build(kind, heap, Ids.from(0), defaults.originals(Originals.MAPPED)),
          misuse,
          "originals",
          "MAPPED");
      searches(kind);
    }
    for (IndexKind kind : new IndexKind[] {IndexKind.FLAT_F32, IndexKind.RABITQ_PLUS}) {
      bad(
          "no originals " + kind,
          () -> Kinds.create(kind, 3, defaults.originals(Originals.NONE)),
          misuse,
          "originals",
          "NONE");
    }
    bad("bits of flat", () -> FlatF32Index.create(3, defaults.bits(4)), misuse, "bits", "4");
    bad("bits of RaBitQ", () -> RabitqIndex.create(3, defaults.bits(2)), misuse, "bits", "2");
    bad("k 0", () -> SearchRequest.template().k(0), misuse, "k is 0", "1 to");
    bad("nprobe 0", () -> SearchRequest.template().nprobe(0), misuse, "nprobe is 0", "1 to 65536");
    bad("nprobe 65537", () -> SearchRequest.template().nprobe(65_537), misuse, "nprobe is 65537");
    bad(
        "timeout",
        () -> SearchRequest.template().timeout(Duration.ZERO),
        misuse,
        "timeout",
        "more than zero");
    bad("radius", () -> RangeRequest.of(with(1), Float.NaN), misuse, "radius is NaN");
    bad("limit", () -> RangeRequest.of(with(1), 1).limit(0), misuse, "limit is 0");
    bad("no rows", Vectors::copyOf, misuse, "rows", "empty");
    bad("empty rows", () -> Vectors.copyOf(new float[0]), misuse, "dim is 0");
    bad("buffer rows", () -> VectorBuffer.allocate(0, 3), misuse, "rows is 0");
    bad("buffer dim", () -> VectorBuffer.allocate(1, 9_000), misuse, "dim is 9000");
    bad("recall", () -> VectorIndex.recommend(1, 1, 1.5), misuse, "recall is 1.5", "above 0");
    bad("rows", () -> VectorIndex.recommend(-1, 1, 1), misuse, "rows is -1");
    bad("threads", () -> RuVector.configure(0), misuse, "threads is 0", "1 to 1024");
    bad(
        "ragged",
        () -> Vectors.copyOf(with(1), new float[2]),
        DimensionMismatchException.class,
        "row 1",
        "2",
        "3");
    bad("null row", () -> Vectors.copyOf(with(1), null), NullPointerException.class);
    return cases.stream()
        .map(
            c ->
                DynamicTest.dynamicTest(
                    c.name,
                    () -> {
                      Exception e = assertThrows(c.type, c.call);
                      assertAll(
                          c.parts.stream()
                              .map(
                                  part ->
                                      () ->
                                          assertTrue(
                                              e.getMessage().contains(part), e.getMessage())));
                    }));
  }

  private interface Call {
    void on(VectorIndex index) throws Throwable;
  }

  /** A bad call on an index of three rows of three dimensions. */
  private void onIndex(
      IndexKind kind,
      Metric metric,
      String name,
      Call call,
      Class<? extends Exception> type,
      String... parts) {
    bad(
        "%s %s %s".formatted(name, kind, metric),
        () -> {
          float[][] rows = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
          try (var index = Kinds.build(kind, rows, IndexOptions.of(metric))) {
            call.on(index);
          }
        },
        type,
        parts);
  }

  private void searches(IndexKind kind) {
    Class<IllegalArgumentException> misuse = IllegalArgumentException.class;
    var invalid = InvalidVectorException.class;
    var mismatch = DimensionMismatchException.class;
    Metric l2 = Metric.L2;
    onIndex(kind, l2, "k 0", i -> i.search(with(1), 0), misuse, "k is 0", "1 to");
    onIndex(kind, l2, "k -5", i -> i.search(with(1), -5), misuse, "k is -5");
    onIndex(kind, l2, "query dim", i -> i.search(new float[2], 1), mismatch, "2", "3");
    onIndex(kind, l2, "query NaN", i -> i.search(with(Float.NaN), 1), invalid, "query: ", "NaN");
    onIndex(
        kind,
        l2,
        "query infinite",
        i -> i.search(with(Float.NEGATIVE_INFINITY), 1),
        invalid,
        "query: ",
        "-inf");
    onIndex(
        kind,
        l2,
        "range NaN",
        i -> i.searchRange(RangeRequest.of(nan(3, 1), 1)),
        invalid,
        "query: ",
        "NaN");
    onIndex(kind, l2, "query large", i -> i.search(with(2e18f), 1), invalid, "e18");
    onIndex(
        kind,
        Metric.COSINE,
        "query zero",
        i -> i.search(new float[3], 1),
        invalid,
        "query: ",
        "norm is 0");
    onIndex(
        kind, l2, "template", i -> i.search(SearchRequest.template()), misuse, "without a query");
    onIndex(
        kind,
        l2,
        "short arrays",
        i -> i.search(SearchRequest.of(with(1)).k(3), new long[2], new float[3]),
        misuse,
        "2 and 3 places",
        "k = 3");
    onIndex(
        kind,
        l2,
        "batch dim",
        i -> i.searchBatch(Vectors.copyOf(new float[4]), SearchRequest.template()),
        mismatch,
        "4",
        "3");
    onIndex(
        kind,
        l2,
        "batch NaN",
        i -> i.searchBatch(Vectors.copyOf(with(1), nan(3, 2)), SearchRequest.template()),
        invalid,
        "row 1");
    onIndex(
        kind, l2, "range dim", i -> i.searchRange(RangeRequest.of(new float[9], 1)), mismatch, "9");
    onIndex(kind, l2, "add dim", i -> i.add(9, new float[4]), mismatch, "4", "3");
    onIndex(kind, l2, "add NaN", i -> i.add(9, nan(3, 1)), invalid, "row 0", "NaN");
    onIndex(kind, l2, "add large", i -> i.add(9, with(2e18f)), invalid, "row 0", "e18");
    onIndex(
        kind,
        Metric.COSINE,
        "add zero",
        i -> i.add(9, new float[3]),
        invalid,
        "row 0",
        "norm is 0");
    onIndex(kind, l2, "add twice", i -> i.add(2, with(1)), DuplicateIdException.class, "id 2");
    onIndex(
        kind,
        l2,
        "one id twice",
        i -> i.addAll(Vectors.copyOf(with(1), with(2)), Ids.of(8, 8)),
        DuplicateIdException.class,
        "row 1",
        "id 8");
    onIndex(
        kind,
        l2,
        "one id upserted twice",
        i -> i.upsertAll(Vectors.copyOf(with(1), with(2)), Ids.of(1, 1)),
        DuplicateIdException.class,
        "row 1",
        "id 1");
    onIndex(
        kind,
        l2,
        "too few ids",
        i -> i.addAll(Vectors.copyOf(with(1), with(2)), Ids.of(8)),
        misuse,
        "ids",
        "1 ids",
        "2 rows");
    onIndex(
        kind,
        l2,
        "ids overflow",
        i -> i.addAll(Vectors.copyOf(with(1), with(2)), Ids.from(Long.MAX_VALUE)),
        misuse,
        "ids",
        "" + Long.MAX_VALUE);
    onIndex(
        kind,
        l2,
        "rotate dim",
        i -> i.rotation().apply(new float[2]),
        kind == IndexKind.FLAT_F32 ? RuVectorException.class : mismatch);
    bad(
        "empty " + kind,
        () -> {
          try (var index = Kinds.create(kind, 3, IndexOptions.defaults())) {
            index.search(with(1), 1);
          }
        },
        EmptyIndexException.class,
        "empty");
    bad(
        "built twice " + kind,
        () ->
            Kinds.build(
                kind, Vectors.copyOf(with(1), with(2)), Ids.of(4, 4), IndexOptions.defaults()),
        DuplicateIdException.class,
        "row 1",
        "id 4");
    bad(
        "built from NaN " + kind,
        () ->
            Kinds.build(
                kind,
                Vectors.copyOf(with(1), with(2), nan(3, 0)),
                Ids.from(0),
                IndexOptions.defaults()),
        invalid,
        "row 2",
        "NaN");
  }

  @Test
  void exceptionsCarryTheirNumbers() {
    try (var index = FlatF32Index.create(3, IndexOptions.defaults())) {
      index.add(7, with(1));
      var mismatch =
          assertThrows(DimensionMismatchException.class, () -> index.add(1, new float[5]));
      assertEquals(3, mismatch.expected());
      assertEquals(5, mismatch.actual());
      assertEquals(Code.DIMENSION_MISMATCH, mismatch.code());
      assertEquals("vector has 5 dimensions, expected 3", mismatch.getMessage());
      var duplicate = assertThrows(DuplicateIdException.class, () -> index.add(7, with(2)));
      assertEquals(7, duplicate.id());
      assertEquals(0, duplicate.row());
      assertEquals(Code.DUPLICATE_ID, duplicate.code());
      var invalid = assertThrows(InvalidVectorException.class, () -> index.add(8, with(Float.NaN)));
      assertEquals(0, invalid.row());
      assertEquals(Code.INVALID_VECTOR, invalid.code());
      var codes = assertThrows(IndexException.class, index::codes);
      assertEquals(Code.UNSUPPORTED, codes.code());
    }
  }
}
