package io.ruvector.lake.parquet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.lake.Generation;
import io.ruvector.lake.testing.RecordingSink;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.time.Clock;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Over the files of make_files.py, which pyarrow wrote. */
class ParquetBackendTest {
  private static final int ROWS = 50;
  private static final int DIM = 6;
  private static final Clock LATER = Clock.offset(Clock.systemUTC(), Duration.ofSeconds(10));

  @TempDir Path folder;

  private static Path resource(String name) throws Exception {
    return Path.of(ParquetBackendTest.class.getResource("/" + name + ".parquet").toURI());
  }

  private Path put(String from, String to) throws Exception {
    return Files.copy(
        resource(from), folder.resolve(to + ".parquet"), StandardCopyOption.REPLACE_EXISTING);
  }

  private ParquetBackend backend() {
    return ParquetBackend.builder("files", folder).build();
  }

  private static TreeMap<Long, float[]> expected() {
    TreeMap<Long, float[]> rows = new TreeMap<>();
    for (int r = 0; r < ROWS; r++) {
      float[] vector = new float[DIM];
      for (int c = 0; c < DIM; c++) {
        vector[c] = (float) ((r - 20) / 8.0 + c * c / 4.0);
      }
      rows.put(1_000L - 7 * r, vector);
    }
    rows.get(1_000L)[0] = -0f;
    return rows;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "fixed",
        "fixed-groups-snappy",
        "fixed-dictionary-zstd",
        "many-pages",
        "list",
        "list-groups-zstd",
        "list-dictionary-snappy",
        "list-split-v2"
      })
  void pullsEveryBit(String name) throws Exception {
    put(name, "c");
    RecordingSink sink = new RecordingSink();
    backend().pull("c", sink);
    assertEquals(RecordingSink.bits(expected()), RecordingSink.bits(sink.rows()));
    assertEquals(backend().generation("c"), sink.generation());
  }

  @Test
  void takesOtherColumns() throws Exception {
    put("other-names", "c");
    RecordingSink sink = new RecordingSink();
    ParquetBackend.builder("files", folder)
        .idColumn("key")
        .vectorColumn("embedding")
        .build()
        .pull("c", sink);
    assertEquals(RecordingSink.bits(expected()), RecordingSink.bits(sink.rows()));
    IOException e = assertThrows(IOException.class, () -> backend().pull("c", new RecordingSink()));
    assertTrue(e.getMessage().contains("has no column id, but: [text, key, embedding]"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "null-fixed | id 993: its vector is null",
        "null-list | id 993: its vector is null",
        "null-component | id 993: component 2 is null",
        "null-id | an id is null",
        "ragged | id 993: 5 components, expected: 6",
        "empty-list | id 993: 0 components, expected: 6",
        "nan | id 993: component 3 is NaN",
        "doubles | column vector is list of double, expected: fixed_len_byte_array(4 * dim) or list",
        "int32-id | column id is int32, expected: int64",
        "text-id | column id is byte_array, expected: int64",
        "odd-length | column vector is fixed_len_byte_array(5), expected: fixed_len",
        "nested | column vector is list of list of float, expected",
        "no-rows-list | no rows, and nothing says its dimension"
      })
  void saysWhatIsWrong(String name, String message) throws Exception {
    Path file = put(name, "c");
    RecordingSink sink = new RecordingSink();
    IOException e = assertThrows(IOException.class, () -> backend().pull("c", sink));
    assertTrue(e.getMessage().contains(message), e.getMessage());
    assertTrue(e.getMessage().contains(file.toRealPath().toString()), e.getMessage());
    assertNull(sink.generation());
  }

  @Test
  void aFixedColumnSaysTheDimensionOfNoRows() throws Exception {
    put("no-rows-fixed", "c");
    RecordingSink sink = new RecordingSink();
    backend().pull("c", sink);
    assertEquals(DIM, sink.dim());
    assertEquals(backend().generation("c"), sink.generation());
  }

  @Test
  void everyTruncationIsRefused() throws Exception {
    byte[] whole = Files.readAllBytes(resource("fixed-groups-snappy"));
    Path file = folder.resolve("c.parquet");
    for (int length = 0; length < whole.length; length += 97) {
      Files.write(file, java.util.Arrays.copyOf(whole, length));
      RecordingSink sink = new RecordingSink();
      assertThrows(IOException.class, () -> backend().pull("c", sink));
      assertNull(sink.generation());
    }
  }

  @Test
  void namesOfCollections() throws Exception {
    put("fixed", "b");
    put("list", "a");
    Files.writeString(folder.resolve("readme.txt"), "");
    Files.createDirectory(folder.resolve("folder.parquet"));
    assertEquals(List.of("a", "b"), backend().collections());
    assertThrows(NoSuchFileException.class, () -> backend().generation("none"));
    assertThrows(IllegalArgumentException.class, () -> backend().generation("../b"));
    assertThrows(IllegalArgumentException.class, () -> backend().generation(""));
    assertThrows(
        IllegalArgumentException.class,
        () -> backend().generation(folder.resolve("b").toAbsolutePath().toString()));
  }

  @Test
  void aRewriteWithinOneTickOfTheClockShows() throws Exception {
    Path file = folder.resolve("c.parquet");
    byte[] content = Files.readAllBytes(resource("fixed"));
    Generation before = null;
    for (int i = 0; i < 500; i++) {
      content[200] = (byte) i;
      Files.write(file, content);
      Generation now = backend().generation("c");
      assertNotEquals(before, now);
      assertEquals(now, backend().generation("c"));
      before = now;
    }
  }

  @Test
  void aRewriteWithTheOldTimeShows() throws Exception {
    Path file = put("fixed", "c");
    FileTime old = FileTime.fromMillis(1_000_000_000_000L);
    Files.setLastModifiedTime(file, old);
    ParquetBackend backend = ParquetBackend.builder("files", folder).clock(LATER).build();
    Generation before = backend.generation("c");
    byte[] content = Files.readAllBytes(file);
    Thread.sleep(20); // The clock of the file system ticks.
    content[200]++;
    Files.write(file, content);
    Files.setLastModifiedTime(file, old);
    assertNotEquals(before, backend.generation("c"));
  }

  @Test
  void aFileThatSettlesChangesItsGenerationOnce() throws Exception {
    Path file = put("fixed", "c");
    ParquetBackend later = ParquetBackend.builder("files", folder).clock(LATER).build();
    Generation racy = backend().generation("c");
    Generation settled = later.generation("c");
    byte[] content = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
    assertEquals(settled + ":" + HexFormat.of().formatHex(content), racy.toString());
    assertEquals(settled, later.generation("c"));
    FileState state = FileState.of(file, Clock.systemUTC());
    String hash = state.hashIfRacy(file);
    assertEquals(racy, state.stillThere(hash, file, Clock.systemUTC()));
    assertEquals(settled, state.stillThere(hash, file, LATER));
    assertNull(state.stillThere("another content's", file, LATER));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatChangesDuringThePullGetsNoGeneration(boolean settled) throws Exception {
    ParquetBackend backend =
        ParquetBackend.builder("files", folder).clock(settled ? LATER : Clock.systemUTC()).build();
    Path file = put("fixed-groups-snappy", "c");
    Path next = put("list", "next");
    RecordingSink replaced =
        new RecordingSink() {
          @Override
          public void add(Vectors rows, Ids ids) {
            try {
              Files.move(next, file, StandardCopyOption.REPLACE_EXISTING);
            } catch (IOException e) {
              throw new java.io.UncheckedIOException(e);
            }
            super.add(rows, ids);
          }
        };
    backend.pull("c", replaced);
    assertEquals(RecordingSink.bits(expected()), RecordingSink.bits(replaced.rows()));
    assertNull(replaced.generation());

    RecordingSink shortened =
        new RecordingSink() {
          @Override
          public void expect(long rows, int dim) {
            try {
              Files.write(file, new byte[100]);
            } catch (IOException e) {
              throw new java.io.UncheckedIOException(e);
            }
          }
        };
    put("fixed", "c");
    try {
      backend.pull("c", shortened);
    } catch (IOException e) {
      assertTrue(e.getMessage().contains("changed while it was read"), e.getMessage());
    }
    assertNull(shortened.generation());
  }
}
