package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IndexCommandsTest {
  private static final int ROWS = 200;
  private static final int DIM = 12;

  @TempDir private Path folder;
  private final float[][] vectors = Samples.vectors(ROWS, DIM, 1);
  private Path raw;
  private Path index;

  @BeforeEach
  void buildIndex() throws IOException {
    raw = Samples.raw(folder.resolve("base.f32"), vectors);
    index = folder.resolve("base.rvx");
    build("--input", raw, "--dim", DIM, "-o", index).data();
  }

  private static Cli.Run build(Object... more) {
    Object[] all = new Object[more.length + 4];
    System.arraycopy(new Object[] {"index", "build", "--index", "plus"}, 0, all, 0, 4);
    System.arraycopy(more, 0, all, 4, more.length);
    return Cli.run(all);
  }

  private static float[] vector(Path file, long id) {
    try (VectorIndex opened = VectorIndex.open(file)) {
      return ((RabitqPlusIndex) opened).get(id).orElseThrow();
    }
  }

  @Test
  void infoTellsWhatWasBuilt() {
    String json = Cli.run("index", "info", index, "--format", "json").data().strip();
    assertTrue(
        json.startsWith("[{\"file\":\"%s\",\"kind\":\"plus\",".formatted(index))
            && json.contains("\"metric\":\"l2\",\"dim\":12,\"bits\":4,\"rows\":200,\"cells\":0,"),
        json);
  }

  @ParameterizedTest
  @ValueSource(strings = {"flat", "rabitq", "asym", "plus", "ivf"})
  void buildsEveryKindUnderEveryMetric(String kind) {
    for (String metric : List.of("l2", "cosine", "ip")) {
      Path file = folder.resolve(kind + metric);
      Cli.run(
              "index",
              "build",
              "--index",
              kind,
              "--metric",
              metric,
              "--input",
              raw,
              "--dim",
              DIM,
              "-o",
              file)
          .data();
      List<String> lines = Cli.run("index", "info", file, "--no-verify", "--format", "csv").lines();
      assertTrue(lines.get(1).contains(",%s,%s,".formatted(kind, metric)), lines.get(1));
    }
  }

  @Test
  void buildsCells() {
    Path file = folder.resolve("cells.rvx");
    Object[] build = {
      "index",
      "build",
      "--index",
      "ivf",
      "--nlist",
      6,
      "--nprobe",
      2,
      "--originals",
      "none",
      "--input",
      raw,
      "--dim",
      DIM,
      "-o",
      file,
      "--format",
      "json"
    };
    String json = Cli.run(build).data();
    assertTrue(json.contains("\"kind\":\"ivf\"") && json.contains("\"cells\":6,"), json);
    assertTrue(json.contains("\"nprobe\":2,"), json);
    String failure = Cli.run("index", "export", file, "-o", folder.resolve("x.npy")).failure(1);
    assertTrue(failure.contains("keeps no originals"), failure);
    failure = Cli.run("index", "merge", index, file, "-o", folder.resolve("m.rvx")).failure(1);
    assertTrue(failure.contains("keeps no originals"), failure);
    build("--nlist", 1_048_577, "--input", raw, "--dim", DIM, "-o", file).failure(2);
    build("--originals", "none", "--input", raw, "--dim", DIM, "-o", file).failure(2);
  }

  @Test
  void mapsOriginals() {
    Path file = folder.resolve("mapped.rvx");
    String line =
        build("--originals", "mapped", "--input", raw, "--dim", DIM, "-o", file, "--format", "csv")
            .lines()
            .get(1);
    assertTrue(line.contains("," + ROWS * DIM * Float.BYTES + ","), line);
    assertArrayEquals(vectors[7], vector(file, 7));
  }

  @ParameterizedTest
  @ValueSource(strings = {"out.csv", "out.npy", "out.fvecs", "out.f32"})
  void whatIsExportedCanBeBuiltFromAgain(String name) {
    Path exported = folder.resolve(name);
    Path ids = folder.resolve("ids.npy");
    Path again = folder.resolve("again.rvx");
    Cli.run("index", "export", index, "-o", exported, "--ids", ids).data();
    if (name.endsWith(".csv")) {
      build("--input", exported, "--id-column", "id", "-o", again).data();
    } else if (name.endsWith(".f32")) {
      build("--input", exported, "--ids", ids, "--dim", DIM, "-o", again).data();
    } else {
      build("--input", exported, "--ids", ids, "-o", again).data();
    }
    try (VectorIndex first = VectorIndex.open(index);
        VectorIndex second = VectorIndex.open(again)) {
      assertTrue(first.contentEquals(second));
    }
  }

  @Test
  void rbpxComesBack() {
    Path exported = folder.resolve("out.rbpx");
    Path again = folder.resolve("again.rvx");
    Cli.run("index", "export", index, "-o", exported).data();
    Cli.run("index", "import", exported, "-o", again).data();
    assertArrayEquals(vectors[3], vector(again, 3));
  }

  @Test
  void exportSaysWhatItCannotWrite() {
    Path codes = folder.resolve("codes.rvx");
    Cli.run("index", "build", "--index", "asym", "--input", raw, "--dim", DIM, "-o", codes).data();
    String failure = Cli.run("index", "export", codes, "-o", folder.resolve("x.npy")).failure(1);
    assertTrue(failure.endsWith("keeps no originals, so there are no vectors to write"), failure);
    failure = Cli.run("index", "export", index, "-o", folder.resolve("x.parquet")).failure(2);
    assertTrue(failure.contains("'.parquet' is not one of"), failure);
  }

  @Test
  void readsHalfPrecision() throws IOException {
    Path file =
        Samples.npy(
            folder.resolve("half.npy"),
            "<f2",
            "(%d, %d)".formatted(ROWS, DIM),
            Samples.halves(vectors));
    Path half = folder.resolve("half.rvx");
    build("--input", file, "--first-id", 1_000, "-o", half).data();
    float expected = Float.float16ToFloat(Float.floatToFloat16(vectors[5][2]));
    assertEquals(expected, vector(half, 1_005)[2]);
  }

  @Test
  void readsIdsOfAFile() throws IOException {
    long[] ids = new long[ROWS];
    Arrays.setAll(ids, i -> Long.MAX_VALUE - i);
    Path text =
        Files.writeString(
            folder.resolve("ids.txt"),
            Arrays.stream(ids).mapToObj(Long::toString).collect(Collectors.joining("\n")));
    Path array = Samples.npy(folder.resolve("ids.npy"), "<i8", "(200,)", Samples.longs(ids));
    for (Path file : List.of(text, array)) {
      Path built = folder.resolve(file.getFileName() + ".rvx");
      build("--input", raw, "--dim", DIM, "--ids", file, "-o", built).data();
      assertArrayEquals(vectors[9], vector(built, Long.MAX_VALUE - 9));
    }
  }

  @Test
  void readsCsvWithAndWithoutHeader() throws IOException {
    Path plain = Files.writeString(folder.resolve("plain.csv"), "1.5, 2, 3\n\n4,5,6e-1\n");
    Path named =
        Files.writeString(
            folder.resolve("named.csv"), "x,\"key\",y,z\n1.5,70,2,3\n4,71,5,\"6e-1\"\n");
    Path file = folder.resolve("csv.rvx");
    build("--input", plain, "-o", file).data();
    assertArrayEquals(new float[] {4, 5, .6f}, vector(file, 1));
    build("--input", plain, "--id-column", "2", "-o", file).data();
    assertArrayEquals(new float[] {4, .6f}, vector(file, 5));
    build("--input", named, "--id-column", "key", "-o", file).data();
    assertArrayEquals(new float[] {4, 5, .6f}, vector(file, 71));
  }

  @Test
  void badInputIsOneLineThatSaysWhere() throws IOException {
    Path file = Files.writeString(folder.resolve("bad.csv"), "1,2\n3,x\n");
    Path out = folder.resolve("bad.rvx");
    String failure = build("--input", file, "-o", out).failure(1);
    assertTrue(failure.endsWith("bad.csv: line 2: column 2: not a number: 'x'"), failure);
    Files.writeString(file, "1,2\n3\n");
    failure = build("--input", file, "-o", out).failure(1);
    assertTrue(failure.endsWith("bad.csv: line 2: 1 columns, expected 2"), failure);
    failure = build("--input", file, "--id-column", "key", "-o", out).failure(1);
    assertTrue(failure.contains("no column 'key'"), failure);
    failure = build("--input", raw, "--dim", 13, "-o", out).failure(1);
    assertTrue(failure.contains("not whole rows of 13 dimensions"), failure);
    failure = build("--input", raw, "-o", out).failure(2);
    assertTrue(failure.endsWith("--dim is needed"), failure);
    failure = build("--input", folder.resolve("none.npy"), "-o", out).failure(1);
    assertTrue(failure.endsWith("none.npy: no such file"), failure);
    Path npy = Samples.npy(folder.resolve("bad.npy"), "<f8", "(1, 1)", new byte[8]);
    failure = build("--input", npy, "-o", out).failure(1);
    assertTrue(failure.contains("type '<f8', allowed: <f2, <f4"), failure);
    assertTrue(Files.notExists(out));
  }

  @Test
  void addsAndReplaces() throws IOException {
    float[][] more = Samples.vectors(3, DIM, 2);
    Path file = Samples.raw(folder.resolve("more.f32"), more);
    Object[] add = {"index", "add", index, "--input", file, "--first-id", ROWS - 1};
    String failure = Cli.run(add).failure(1);
    assertTrue(failure.contains("id 199 is already there"), failure);
    assertArrayEquals(vectors[ROWS - 1], vector(index, ROWS - 1));
    Object[] upsert = Arrays.copyOf(add, add.length + 3);
    System.arraycopy(new Object[] {"--upsert", "--format", "csv"}, 0, upsert, add.length, 3);
    assertEquals(index + ",2,1,202", Cli.run(upsert).lines().get(1));
    assertArrayEquals(more[0], vector(index, ROWS - 1));
    failure = Cli.run("index", "add", index, "--input", file).failure(2);
    assertTrue(failure.endsWith("one of --ids, --id-column and --first-id is needed"), failure);
  }

  @Test
  void removes() {
    Path smaller = folder.resolve("smaller.rvx");
    Cli.Run run = Cli.run("index", "remove", index, 1, 2, 2, 777, "-o", smaller, "--format", "csv");
    assertEquals(ExitCode.NOT_FOUND, run.exitCode(), run.err());
    assertEquals(smaller + ",2,1,198", run.out().lines().toList().get(1));
    assertEquals(
        smaller + ",1,0,197",
        Cli.run("index", "remove", smaller, 3, "--format", "csv").lines().get(1));
    Cli.run("index", "remove", index).failure(2);
  }

  @Test
  void mergesUnlessIdsClash() throws IOException {
    float[][] more = Samples.vectors(50, DIM, 3);
    Path second = folder.resolve("second.rvx");
    Path merged = folder.resolve("merged.rvx");
    Path file = Samples.raw(folder.resolve("more.f32"), more);
    build("--input", file, "--dim", DIM, "--first-id", 190, "-o", second).data();
    String failure = Cli.run("index", "merge", index, second, "-o", merged).failure(1);
    assertTrue(failure.contains("id 190 is already there"), failure);
    assertTrue(Files.notExists(merged));
    Cli.run("index", "merge", index, second, "-o", merged, "--upsert").data();
    assertArrayEquals(vectors[189], vector(merged, 189));
    assertArrayEquals(more[0], vector(merged, 190));
    assertArrayEquals(more[49], vector(merged, 239));
    Path other = folder.resolve("other.rvx");
    build("--metric", "ip", "--input", raw, "--dim", DIM, "-o", other).data();
    failure = Cli.run("index", "merge", index, other, "-o", merged).failure(1);
    assertTrue(failure.contains("has the metric ip and dimension 12"), failure);
  }

  @Test
  void verifyFindsAChangedByte() throws IOException {
    assertEquals(
        index + ",true,", Cli.run("index", "verify", index, "--format", "csv").lines().get(1));
    byte[] bytes = Files.readAllBytes(index);
    bytes[bytes.length / 2] ^= 1;
    Files.write(index, bytes);
    Cli.Run run = Cli.run("index", "verify", index, "--format", "csv");
    assertEquals(ExitCode.NOT_FOUND, run.exitCode());
    assertTrue(run.out().lines().toList().get(1).startsWith(index + ",false,"), run.out());
    Cli.run("index", "info", index).failure(1);
    Cli.run("index", "verify", folder.resolve("none.rvx")).failure(1);
  }
}
