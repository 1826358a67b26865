package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.ruvector.RuVector;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What an index says that it takes, against what its process grows by. */
class MemoryTest {
  private static final int DIM = 128;
  private static final Path STATUS = Path.of("/proc/self/status");

  /** What a virtual machine takes by itself meanwhile, which counts where an index is small. */
  private static final double NOISE_BYTES = 2e6;

  private static final IndexOptions OPTIONS = IndexOptions.defaults().nlist(256);

  @TempDir Path folder;

  /** A process that does nothing but build an index of a file. */
  public static final class Child {
    public static void main(String[] args) throws IOException {
      IndexKind kind = IndexKind.valueOf(args[0]);
      RuVector.version();
      // What the first build brings with it, as the threads of the pool, is not the index's.
      float[][] few = new float[2][DIM];
      few[1][0] = 1;
      Kinds.build(kind, few, OPTIONS).close();
      Vectors rows = Vectors.map(Path.of(args[1]), DIM);
      long before = privateBytes();
      try (var index = Kinds.build(kind, rows, Ids.from(0), OPTIONS)) {
        System.out.println("%d %d".formatted(privateBytes() - before, index.memoryBytes()));
      }
    }

    /** Anonymous pages only: those of the mapped input do not count. */
    private static long privateBytes() throws IOException {
      String line =
          Files.readAllLines(STATUS).stream()
              .filter(l -> l.startsWith("RssAnon:"))
              .findFirst()
              .orElseThrow();
      return 1_024 * Long.parseLong(line.replaceAll("\\D+", ""));
    }
  }

  private Path file(int rows) throws IOException {
    Path file = folder.resolve("rows.f32");
    var random = new Random(1);
    try (var channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      ByteBuffer batch = ByteBuffer.allocate(1_000 * DIM * 4).order(ByteOrder.LITTLE_ENDIAN);
      for (int i = 0; i < rows; i += 1_000) {
        batch.clear();
        while (batch.hasRemaining()) {
          batch.putFloat(random.nextFloat());
        }
        channel.write(batch.flip());
      }
    }
    return file;
  }

  @ParameterizedTest
  @EnumSource(IndexKind.class)
  void memoryBytesIsWhatTheProcessGrowsBy(IndexKind kind) throws Exception {
    assumeTrue(Files.isReadable(STATUS), "needs /proc/self/status");
    // About 100 MB for the kinds that keep originals, and a good part of it for the others.
    int rows = kind.keepsOriginals() ? 200_000 : 600_000;
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Xms64m",
                "-Xmx64m",
                "-XX:+AlwaysPreTouch",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                Child.class.getName(),
                kind.name(),
                file(rows).toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String[] found = new String(process.getInputStream().readAllBytes()).strip().split(" ");
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, process.exitValue());
    double grown = Long.parseLong(found[0]);
    double said = Long.parseLong(found[1]);
    System.out.printf("%s: process %.1f MB, memoryBytes %.1f MB%n", kind, grown / 1e6, said / 1e6);
    assertEquals(grown, said, Math.max(0.05 * grown, NOISE_BYTES));
  }
}
