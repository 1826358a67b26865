package io.ruvector.resources;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.index.FlatF32Index;
import io.ruvector.index.IdFilter;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexKind;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.IvfIndex;
import io.ruvector.index.KeepsOriginals;
import io.ruvector.index.RabitqAsymIndex;
import io.ruvector.index.RabitqIndex;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** No index keeps a pointer to memory that a call was given. */
class CallersMemoryTest {
  private static final int DIM = 24;

  /** Not a multiple of the block, so that a part of the rows is left over. */
  private static final int ROWS = 1_003;

  private final Random random = Seed.random("callersMemory");
  private final float[][] rows = Data.vectors(random, ROWS, DIM);
  private final long[] ids = random.longs().distinct().limit(ROWS).toArray();
  private final float[][] queries = Data.vectors(random, 20, DIM);

  /** All cells are looked into, so that the order of the rows decides nothing. */
  private static final IndexOptions CELLS = IndexOptions.defaults().nlist(16).nprobe(16);

  static VectorIndex build(IndexKind kind, Vectors vectors, Ids ids) {
    IndexOptions options = IndexOptions.defaults();
    return switch (kind) {
      case FLAT_F32 -> FlatF32Index.build(vectors, ids, options);
      case RABITQ -> RabitqIndex.build(vectors, ids, options);
      case RABITQ_PLUS -> RabitqPlusIndex.build(vectors, ids, options);
      case IVF -> IvfIndex.build(vectors, ids, CELLS);
      case RABITQ_ASYM -> RabitqAsymIndex.build(vectors, ids, options);
    };
  }

  private static VectorIndex create(IndexKind kind) {
    IndexOptions options = IndexOptions.defaults();
    return switch (kind) {
      case FLAT_F32 -> FlatF32Index.create(DIM, options);
      case RABITQ -> RabitqIndex.create(DIM, options);
      case RABITQ_PLUS -> RabitqPlusIndex.create(DIM, options);
      case IVF -> IvfIndex.create(DIM, CELLS);
      case RABITQ_ASYM -> RabitqAsymIndex.create(DIM, options);
    };
  }

  private MemorySegment floats(Arena arena) {
    MemorySegment segment = arena.allocate((long) ROWS * DIM * Float.BYTES, Float.BYTES);
    for (int i = 0; i < ROWS; i++) {
      MemorySegment.copy(
          rows[i], 0, segment, ValueLayout.JAVA_FLOAT, (long) i * DIM * Float.BYTES, DIM);
    }
    return segment;
  }

  private void check(VectorIndex index, VectorIndex expected) {
    assertTrue(index.contentEquals(expected), () -> index + " is not " + expected);
    for (float[] query : queries) {
      var found = index.search(query, 10);
      var truth = expected.search(query, 10);
      assertArrayEquals(truth.ids(), found.ids());
      assertArrayEquals(truth.scores(), found.scores());
    }
    if (index instanceof KeepsOriginals keeper) {
      for (int i = 0; i < ROWS; i++) {
        assertArrayEquals(rows[i], keeper.get(ids[i]).orElseThrow());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void segments(IndexKind kind) {
    try (var expected = build(kind, Vectors.copyOf(rows), Ids.of(ids))) {
      VectorIndex overwritten;
      VectorIndex closed;
      try (var arena = Arena.ofConfined()) {
        MemorySegment vectors = floats(arena);
        MemorySegment given = arena.allocate((long) ROWS * Long.BYTES, Long.BYTES);
        given.copyFrom(MemorySegment.ofArray(ids));
        closed = build(kind, Vectors.of(vectors, DIM), Ids.of(given));
        overwritten = build(kind, Vectors.of(vectors, DIM), Ids.of(given));
        vectors.fill((byte) 0xff);
        given.fill((byte) 0xff);
        check(overwritten, expected);
      }
      check(closed, expected);
      overwritten.close();
      closed.close();
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void buffers(IndexKind kind) {
    try (var expected = build(kind, Vectors.copyOf(rows), Ids.of(ids))) {
      FloatBuffer floats =
          ByteBuffer.allocateDirect(ROWS * DIM * Float.BYTES)
              .order(ByteOrder.nativeOrder())
              .asFloatBuffer();
      for (float[] row : rows) {
        floats.put(row);
      }
      long[] given = ids.clone();
      try (var index = build(kind, Vectors.of(floats.flip(), DIM), Ids.of(given))) {
        for (int i = 0; i < floats.capacity(); i++) {
          floats.put(i, Float.NaN);
        }
        Arrays.fill(given, -1);
        check(index, expected);
      }
      VectorIndex index;
      try (var buffer = VectorBuffer.allocate(ROWS, DIM)) {
        for (int i = 0; i < ROWS; i++) {
          buffer.put(i, rows[i]);
        }
        index = build(kind, buffer.asVectors(), Ids.of(ids));
        buffer.segment().fill((byte) 0xff);
      }
      check(index, expected);
      index.close();
    }
  }

  /** Rows that are added later lie in another part of an index than those of its build. */
  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void additions(IndexKind kind) {
    try (var expected = create(kind);
        var index = create(kind)) {
      expected.addAll(Vectors.copyOf(rows), Ids.of(ids));
      try (var arena = Arena.ofConfined()) {
        MemorySegment vectors = floats(arena);
        long half = ROWS / 2;
        long bytes = half * DIM * Float.BYTES;
        index.addAll(
            Vectors.of(vectors.asSlice(0, bytes), DIM),
            Ids.of(LongStream.of(ids).limit(half).toArray()));
        index.upsertAll(
            Vectors.of(vectors.asSlice(bytes), DIM),
            Ids.of(LongStream.of(ids).skip(half).toArray()));
        vectors.fill((byte) 0xff);
      }
      float[] replaced = rows[0].clone();
      index.upsert(ids[0], replaced);
      expected.upsert(ids[0], rows[0]);
      Arrays.fill(replaced, Float.NaN);
      index.compact();
      expected.compact();
      check(index, expected);
    }
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void preparedFilters(IndexKind kind) {
    long[] given = LongStream.of(ids).limit(100).toArray();
    try (var index = build(kind, Vectors.copyOf(rows), Ids.of(ids))) {
      IdFilter filter = IdFilter.of(given);
      Arrays.fill(given, ids[500]);
      try (var prepared = index.prepare(filter)) {
        var request = SearchRequest.of(queries[0]).k(200);
        assertArrayEquals(
            LongStream.of(ids).limit(100).sorted().toArray(),
            LongStream.of(index.search(request.filter(prepared)).ids()).sorted().toArray());
      }
    }
  }
}
