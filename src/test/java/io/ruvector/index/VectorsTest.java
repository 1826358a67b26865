package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Views over memory and files: what they accept, and how they refuse the rest. */
class VectorsTest {
  private static final int DIM = 6;

  @TempDir Path folder;

  private static void refused(Executable call, String... parts) {
    var e = assertThrows(IllegalArgumentException.class, call);
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }

  private static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  @Test
  void segments() {
    try (var arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(240, 4);
      Vectors rows = Vectors.of(memory, DIM);
      assertEquals(10, rows.rows());
      assertEquals(DIM, rows.dim());
      assertEquals(24, rows.strideBytes());
      assertEquals("Vectors[10 rows of 6 dimensions, 24 bytes apart]", rows.toString());
      assertThrows(IndexOutOfBoundsException.class, () -> rows.row(10));
      assertEquals(0, Vectors.of(memory.asSlice(0, 0), DIM).rows());

      refused(() -> Vectors.of(MemorySegment.ofArray(new float[DIM]), DIM), "heap memory");
      refused(() -> Vectors.of(memory.asSlice(1, 48), DIM), "address 0x", "multiples of 4");
      refused(() -> Vectors.of(memory.asSlice(0, 100), DIM), "100 bytes", "24 bytes each");
      refused(() -> Vectors.of(memory, 0), "dim is 0", "1 to 8192");
      refused(() -> Vectors.of(memory, 8_193), "dim is 8193");
    }
  }

  @Test
  void strides() {
    try (var arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(240, 4);
      // The last row needs no gap after it: 7 * 32 + 24 = 248 > 240 >= 6 * 32 + 24.
      assertEquals(7, Vectors.of(memory, 7, DIM, 32).rows());
      refused(() -> Vectors.of(memory, 8, DIM, 32), "rows is 8", "0 to 7", "240 bytes");
      refused(() -> Vectors.of(memory, -1, DIM, 32), "rows is -1");
      refused(() -> Vectors.of(memory, 2, DIM, 20), "strideBytes is 20", "24");
      refused(() -> Vectors.of(memory, 2, DIM, 26), "strideBytes is 26", "multiples of 4");
      refused(() -> Vectors.of(memory, 2, DIM, -24), "strideBytes is -24");
      refused(() -> Vectors.of(memory, Long.MAX_VALUE, DIM, 24), "rows is 9223372036854775807");
      refused(() -> Vectors.of(memory.asSlice(0, 20), 1, DIM, 24), "rows is 1", "0 to 0");
    }
  }

  @Test
  void floatBuffers() {
    FloatBuffer floats = direct(4 * 5 * DIM).asFloatBuffer();
    assertEquals(5, Vectors.of(floats, DIM).rows());
    floats.position(DIM).limit(3 * DIM);
    floats.put(DIM, 7f);
    Vectors part = Vectors.of(floats, DIM);
    assertEquals(2, part.rows());
    assertEquals(7f, part.row(0)[0]);

    refused(() -> Vectors.of(FloatBuffer.allocate(DIM), DIM), "heap buffer", "copyOf");
    FloatBuffer foreign =
        ByteBuffer.allocateDirect(4 * DIM)
            .order(
                ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN
                    ? ByteOrder.BIG_ENDIAN
                    : ByteOrder.LITTLE_ENDIAN)
            .asFloatBuffer();
    refused(() -> Vectors.of(foreign, DIM), "floats is", "byte order");
    ByteBuffer odd = direct(4 * DIM + 1).position(1).slice().order(ByteOrder.nativeOrder());
    refused(() -> Vectors.of(odd.asFloatBuffer(), DIM), "multiples of 4");
    refused(() -> Vectors.of(direct(4 * DIM + 4).asFloatBuffer(), DIM), "28 bytes");
  }

  @Test
  void ids() {
    try (var arena = Arena.ofConfined();
        var index = FlatF32Index.create(DIM, IndexOptions.defaults())) {
      MemorySegment memory = arena.allocate(24, 8);
      memory.setAtIndex(ValueLayout.JAVA_LONG, 1, -4);
      memory.setAtIndex(ValueLayout.JAVA_LONG, 2, 1L << 60);
      index.addAll(Vectors.copyOf(new float[DIM], new float[DIM], new float[DIM]), Ids.of(memory));
      assertTrue(index.contains(0) && index.contains(-4) && index.contains(1L << 60));
      refused(() -> Ids.of(MemorySegment.ofArray(new long[1])), "heap memory");
      refused(() -> Ids.of(memory.asSlice(4, 8)), "multiples of 8");
      refused(() -> Ids.of(memory.asSlice(0, 20)), "20 bytes");
    }
  }

  /** Memory that is closed, or another thread's, is refused before native code sees its address. */
  @Test
  void closedAndForeignMemory() throws InterruptedException {
    Vectors closed;
    try (var arena = Arena.ofShared()) {
      closed = Vectors.of(arena.allocate(24, 4), DIM);
    }
    try (var index = FlatF32Index.create(DIM, IndexOptions.defaults())) {
      assertThrows(IllegalStateException.class, () -> index.addAll(closed, Ids.from(0)));
      assertThrows(
          IllegalStateException.class, () -> FlatF32Index.build(closed, IndexOptions.defaults()));
      var failure = new AtomicReference<Throwable>();
      try (var arena = Arena.ofConfined()) {
        Vectors confined = Vectors.of(arena.allocate(24, 4), DIM);
        Thread other =
            Thread.ofPlatform()
                .start(
                    () -> {
                      try {
                        index.addAll(confined, Ids.from(0));
                      } catch (Throwable e) {
                        failure.set(e);
                      }
                    });
        other.join();
        assertEquals(WrongThreadException.class, failure.get().getClass());
        index.addAll(confined, Ids.from(0));
      }
      assertEquals(1, index.size());
    }
  }

  /** On a virtual thread long calls run on another one, which must not lose confined memory. */
  @Test
  void confinedMemoryOfAVirtualThread() throws InterruptedException {
    float[][] vectors = Data.vectors(Seed.random("virtual"), 40, DIM);
    var failure = new AtomicReference<Throwable>();
    Thread thread =
        Thread.ofVirtual()
            .start(
                () -> {
                  try (var arena = Arena.ofConfined()) {
                    MemorySegment memory = arena.allocate(24 * 40, 4);
                    for (int i = 0; i < 40; i++) {
                      MemorySegment.copy(
                          vectors[i], 0, memory, ValueLayout.JAVA_FLOAT, 24L * i, DIM);
                    }
                    MemorySegment own = arena.allocate(ValueLayout.JAVA_LONG, 40);
                    for (int i = 0; i < 40; i++) {
                      own.setAtIndex(ValueLayout.JAVA_LONG, i, 100 + i);
                    }
                    MemorySegment scores = arena.allocate(ValueLayout.JAVA_FLOAT, 40);
                    Vectors rows = Vectors.of(memory, DIM);
                    try (var index =
                        RabitqPlusIndex.build(rows, Ids.of(own), IndexOptions.defaults())) {
                      index.upsertAll(rows, Ids.of(own));
                      index.searchBatch(rows, SearchRequest.template().k(1), own, scores);
                      for (int i = 0; i < 40; i++) {
                        assertEquals(100 + i, own.getAtIndex(ValueLayout.JAVA_LONG, i));
                        assertEquals(100 + i, index.search(vectors[i], 1).ids()[0]);
                      }
                      assertThrows(DuplicateIdException.class, () -> index.add(100, vectors[0]));
                    }
                  } catch (Throwable e) {
                    failure.set(e);
                  }
                });
    thread.join();
    if (failure.get() != null) {
      throw new AssertionError(failure.get());
    }
  }

  @Test
  void buffers() {
    float[][] vectors = Data.vectors(Seed.random("buffers"), 20, DIM);
    VectorBuffer buffer = VectorBuffer.allocate(20, DIM);
    assertEquals(20, buffer.rows());
    assertEquals(DIM, buffer.dim());
    assertArrayEquals(new float[DIM], buffer.asVectors().row(19));
    for (int i = 0; i < 20; i++) {
      buffer.put(i, vectors[i]);
    }
    MemorySegment row = buffer.row(3);
    assertEquals(vectors[3][1], row.getAtIndex(ValueLayout.JAVA_FLOAT, 1));
    assertThrows(IndexOutOfBoundsException.class, () -> buffer.row(20));
    assertThrows(DimensionMismatchException.class, () -> buffer.put(0, new float[DIM - 1]));

    Vectors view = buffer.asVectors();
    var adopt = IndexOptions.defaults().originals(Originals.ADOPT);
    try (var copied = FlatF32Index.build(view, IndexOptions.defaults());
        var adopted = FlatF32Index.build(view, adopt)) {
      assertEquals(Originals.ADOPT, adopted.info().originals());
      assertTrue(adopted.contentEquals(copied));
      assertArrayEquals(vectors[7], adopted.get(7).orElseThrow());
      List<Executable> uses =
          List.of(
              buffer::segment,
              buffer::asVectors,
              () -> buffer.row(0),
              () -> buffer.put(0, vectors[0]),
              () -> row.get(ValueLayout.JAVA_FLOAT, 0),
              () -> view.row(0),
              () -> FlatF32Index.build(view, adopt),
              () -> copied.addAll(view, Ids.from(100)));
      for (Executable use : uses) {
        assertThrows(IllegalStateException.class, use);
      }
      buffer.close();
      assertArrayEquals(vectors[7], adopted.get(7).orElseThrow());
    }
  }

  /** Even a build that fails takes the buffer over. */
  @Test
  void aFailedAdoptionConsumesTheBuffer() {
    try (var buffer = VectorBuffer.allocate(2, DIM)) {
      buffer.put(1, new float[] {1, 2, 3, 4, 5, Float.NaN});
      var adopt = IndexOptions.defaults().originals(Originals.ADOPT);
      assertThrows(
          InvalidVectorException.class, () -> RabitqPlusIndex.build(buffer.asVectors(), adopt));
      var e = assertThrows(IllegalStateException.class, buffer::segment);
      assertEquals("VectorBuffer is adopted by an index", e.getMessage());
    }
  }

  @Test
  void closedBuffers() {
    VectorBuffer buffer = VectorBuffer.allocate(2, DIM);
    Vectors view = buffer.asVectors();
    buffer.close();
    buffer.close();
    assertEquals(
        "VectorBuffer is closed",
        assertThrows(IllegalStateException.class, buffer::segment).getMessage());
    assertThrows(
        IllegalStateException.class, () -> FlatF32Index.build(view, IndexOptions.defaults()));
  }

  private Path file(String name, ByteBuffer content) throws IOException {
    Path file = folder.resolve(name);
    byte[] bytes = new byte[content.position()];
    content.flip().get(bytes);
    return Files.write(file, bytes);
  }

  private static ByteBuffer little() {
    return ByteBuffer.allocate(10_000).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void put(ByteBuffer content, float[] vector) {
    for (float x : vector) {
      content.putFloat(x);
    }
  }

  private void malformed(Path file, String... parts) {
    var e = assertThrows(PersistException.class, () -> Vectors.map(file, DIM));
    assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }

  private void checkMapped(Path file, float[][] vectors) {
    Vectors rows = Vectors.map(file, DIM);
    assertEquals(vectors.length, rows.rows());
    for (int i = 0; i < vectors.length; i++) {
      assertArrayEquals(vectors[i], rows.row(i));
    }
    var mapped = IndexOptions.defaults().originals(Originals.MAPPED);
    try (var copied = FlatF32Index.build(rows, IndexOptions.defaults());
        var index = FlatF32Index.build(rows, mapped);
        var plus = RabitqPlusIndex.build(rows, Ids.from(50), mapped)) {
      assertEquals(Originals.MAPPED, index.info().originals());
      assertTrue(index.info().mappedBytes() > 0);
      for (int i = 0; i < vectors.length; i++) {
        assertArrayEquals(vectors[i], index.get(i).orElseThrow());
        assertArrayEquals(vectors[i], copied.get(i).orElseThrow());
        assertEquals(50 + i, plus.search(vectors[i], 1).ids()[0]);
      }
    }
  }

  @Test
  void rawFiles() throws IOException {
    float[][] vectors = Data.vectors(Seed.random("raw"), 9, DIM);
    ByteBuffer content = little();
    for (float[] vector : vectors) {
      put(content, vector);
    }
    checkMapped(file("vectors.f32", content), vectors);
    malformed(file("cut.f32", little().putInt(1)), "size", "4 bytes", "24 bytes each");
    malformed(folder.resolve("missing.f32"), "cannot be mapped", "NoSuchFile");
    assertEquals(0, Vectors.map(file("empty.f32", little()), DIM).rows());
  }

  @Test
  void fvecsFiles() throws IOException {
    float[][] vectors = Data.vectors(Seed.random("fvecs"), 9, DIM);
    ByteBuffer content = little();
    for (float[] vector : vectors) {
      put(content.putInt(DIM), vector);
    }
    ByteBuffer cut = content.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    checkMapped(file("vectors.fvecs", content), vectors);
    malformed(file("cut.fvecs", cut.position(cut.position() - 4)), "size", "28 bytes each");
    malformed(file("short.fvecs", little().put((byte) 6)), "row 0", "cut off");
    ByteBuffer other = little();
    put(other.putInt(DIM - 1), new float[DIM - 1]);
    Path wrong = file("other.fvecs", other);
    var e = assertThrows(DimensionMismatchException.class, () -> Vectors.map(wrong, DIM));
    assertEquals(DIM - 1, e.actual());
    ByteBuffer last = little();
    put(last.putInt(DIM), vectors[0]);
    put(last.putInt(77), vectors[1]);
    Path wrongLast = file("last.fvecs", last);
    e = assertThrows(DimensionMismatchException.class, () -> Vectors.map(wrongLast, DIM));
    assertTrue(e.getMessage().contains("row 1"), e.getMessage());
    assertEquals(77, e.actual());
  }

  private static ByteBuffer npy(int version, String header) {
    ByteBuffer content = little();
    content.put((byte) 0x93).put("NUMPY".getBytes(StandardCharsets.US_ASCII));
    content.put((byte) version).put((byte) 0);
    int start = version == 1 ? 10 : 12;
    int length = (start + header.length() + 63) / 64 * 64 - start;
    if (version == 1) {
      content.putShort((short) length);
    } else {
      content.putInt(length);
    }
    String padded = header + " ".repeat(length - header.length());
    return content.put(padded.getBytes(StandardCharsets.US_ASCII));
  }

  @Test
  void npyFiles() throws IOException {
    float[][] vectors = Data.vectors(Seed.random("npy"), 9, DIM);
    String header = "{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }";
    String good = header.formatted("<f4", "False", "9, 6");
    for (int version : new int[] {1, 2}) {
      ByteBuffer content = npy(version, good);
      for (float[] vector : vectors) {
        put(content, vector);
      }
      checkMapped(file("v%d.npy".formatted(version), content), vectors);
    }
    malformed(file("magic.npy", little().put(new byte[100])), "magic");
    malformed(file("empty.npy", little()), "magic");
    malformed(file("version.npy", npy(3, good)), "version", "3");
    malformed(file("f8.npy", npy(1, header.formatted("<f8", "False", "9, 6"))), "<f8", "<f4");
    malformed(file("big.npy", npy(1, header.formatted(">f4", "False", "9, 6"))), ">f4");
    malformed(file("f.npy", npy(1, header.formatted("<f4", "True", "9, 6"))), "fortran_order");
    malformed(file("1d.npy", npy(1, header.formatted("<f4", "False", "54,"))), "shape", "54");
    malformed(file("rows.npy", npy(1, header.formatted("<f4", "False", "9, 6"))), "0 rows", "9");
    malformed(file("none.npy", npy(1, "{}")), "header", "descr");
    malformed(
        file("far.npy", npy(2, good).putInt(8, Integer.MAX_VALUE)), "header", "2147483647 bytes");
    Path wide = file("wide.npy", npy(1, header.formatted("<f4", "False", "9, 7")));
    var e = assertThrows(DimensionMismatchException.class, () -> Vectors.map(wide, DIM));
    assertEquals(7, e.actual());
  }
}
