package io.ruvector.resources;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.ruvector.index.Ids;
import io.ruvector.index.IndexKind;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.Originals;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** How much memory a process has at most while it builds or opens an index of 150 MB. */
class PeakMemoryTest {
  private static final int DIM = 128;
  private static final int ROWS = 300_000;
  private static final long INPUT = 4L * DIM * ROWS;
  private static final double SLACK = 1.05;
  private static final long MAX_OPENING = 2_000_000;

  @TempDir static Path folder;

  @BeforeEach
  void linuxOnly() {
    assumeTrue(ProcessMemory.isCounted(), "needs Linux's /proc/self/clear_refs");
  }

  /** Every row another one, as quickly as an interpreter can. */
  private static void fill(MemorySegment rows) {
    var random = new Random(1);
    float[] pattern = new float[8_191];
    for (int i = 0; i < pattern.length; i++) {
      pattern[i] = (float) random.nextGaussian();
    }
    long floats = rows.byteSize() / Float.BYTES;
    for (long at = 0; at < floats; at += pattern.length) {
      int count = (int) Math.min(pattern.length, floats - at);
      MemorySegment.copy(pattern, 0, rows, ValueLayout.JAVA_FLOAT, at * Float.BYTES, count);
    }
  }

  private static Path input() throws IOException {
    Path file = folder.resolve("rows.f32");
    if (!Files.exists(file)) {
      try (var buffer = VectorBuffer.allocate(ROWS, DIM);
          var channel =
              FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
        fill(buffer.segment());
        channel.write(buffer.segment().asByteBuffer());
      }
    }
    return file;
  }

  /** What the first use brings with it, as the threads of the pool, is nobody's here. */
  private static void warmUp(Path folder) throws IOException {
    Path file = Files.createTempFile(folder, "few", ".rvx");
    for (IndexKind kind : IndexKind.values()) {
      try (var few = CallersMemoryTest.build(kind, Vectors.copyOf(new float[DIM]), Ids.from(0))) {
        few.search(new float[DIM], 1);
        few.save(file);
      }
      VectorIndex.open(file).close();
    }
  }

  /** Prints what was resident before the input, the peak, and the size of the index. */
  static final class Adopting {
    public static void main(String[] args) throws IOException {
      warmUp(Path.of(args[0]));
      VectorBuffer buffer = VectorBuffer.allocate(ROWS, DIM);
      long before = ProcessMemory.resident();
      fill(buffer.segment());
      ProcessMemory.resetPeak();
      var options = IndexOptions.defaults().originals(Originals.ADOPT);
      try (var index = RabitqPlusIndex.build(buffer.asVectors(), options)) {
        System.out.println(before + " " + ProcessMemory.peak() + " " + index.memoryBytes());
      }
    }
  }

  /** The same of a file. */
  static final class Mapping {
    public static void main(String[] args) throws IOException {
      Path file = Path.of(args[0]);
      warmUp(file.getParent());
      Vectors rows = Vectors.map(file, DIM);
      long before = ProcessMemory.resident();
      ProcessMemory.resetPeak();
      var options = IndexOptions.defaults().originals(Originals.MAPPED);
      try (var index = RabitqPlusIndex.build(rows, options)) {
        System.out.println(before + " " + ProcessMemory.peak() + " " + index.memoryBytes());
      }
    }
  }

  /** Prints what opening an index adds, and what the index says. */
  static final class Opening {
    public static void main(String[] args) throws IOException {
      Path file = Path.of(args[0]);
      warmUp(file.getParent());
      long before = ProcessMemory.anonymous();
      try (var index = VectorIndex.open(file)) {
        System.out.println((ProcessMemory.anonymous() - before) + " " + index.memoryBytes());
      }
    }
  }

  private static void check(String what, long before, long peak, long codes) {
    double limit = SLACK * (INPUT + codes);
    System.out.printf(
        "%s: peak %.1f MB, input %.1f MB, codes %.1f MB%n",
        what, (peak - before) / 1e6, INPUT / 1e6, codes / 1e6);
    assertTrue(codes > INPUT / 32, () -> codes + " bytes are too few for codes");
    assertTrue(
        peak - before <= limit,
        () -> "peak %d bytes, allowed %.0f".formatted(peak - before, limit));
  }

  @Test
  void adoptedOriginals() throws Exception {
    long[] found = ProcessMemory.run(Adopting.class, folder);
    check("adopted", found[0], found[1], found[2] - INPUT);
  }

  @Test
  void mappedOriginals() throws Exception {
    long[] found = ProcessMemory.run(Mapping.class, input());
    check("mapped", found[0], found[1], found[2]);
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void opening(IndexKind kind) throws Exception {
    Path file = folder.resolve(kind + ".rvx");
    try (var index = CallersMemoryTest.build(kind, Vectors.map(input(), DIM), Ids.from(0))) {
      index.save(file);
    }
    long[] found = ProcessMemory.run(Opening.class, file);
    System.out.printf(
        "%s: opening %.1f MB takes %d bytes, memoryBytes %d%n",
        kind, Files.size(file) / 1e6, found[0], found[1]);
    Files.delete(file);
    assertTrue(found[0] < MAX_OPENING, () -> found[0] + " bytes of private memory");
    assertTrue(found[1] < MAX_OPENING, () -> found[1] + " bytes by its own account");
  }
}
