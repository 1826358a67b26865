package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.lake.FsBackend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LakeCommandsTest {
  private static final Object[] NEAR_20 = {"--query", "20.25,0", "-k", 2};

  @TempDir private Path temp;
  private Path folder;

  @BeforeEach
  void writeCollections() throws IOException {
    folder = Files.createDirectory(temp.resolve("vectors"));
    write("even", 0, 2, 30);
    write("odd", 1, 2, 30);
  }

  /** Rows (id, 0) whose ids are {@code first}, {@code first + step} and so on. */
  private void write(String collection, int first, int step, int rows) {
    float[][] vectors = new float[rows][];
    long[] ids = new long[rows];
    for (int i = 0; i < rows; i++) {
      ids[i] = first + (long) step * i;
      vectors[i] = new float[] {ids[i], 0};
    }
    try (var files = FsBackend.open("test", folder)) {
      files.write(collection, Vectors.copyOf(vectors), Ids.of(ids));
    }
  }

  private Cli.Run lake(String command, Object... more) {
    return Cli.run(
        Stream.of(new Object[] {"lake", command, folder, "--format", "csv"}, more)
            .flatMap(Arrays::stream)
            .toArray());
  }

  /** The columns after the header, by number. */
  private static List<String> columns(Cli.Run run, int... numbers) {
    return run.out()
        .lines()
        .skip(1)
        .map(line -> line.split(",", -1))
        .map(f -> String.join(",", Arrays.stream(numbers).mapToObj(n -> f[n]).toList()))
        .toList();
  }

  private Path sidecar(String collection) {
    return folder.resolve(collection + ".lake").resolve("table.rulake.json");
  }

  @Test
  void nothingIsSavedAtFirst() {
    assertEquals(
        List.of("collection,saved,rows,witness,problem", "even,false,,,", "odd,false,,,"),
        lake("status").lines());
    Cli.Run refresh = lake("refresh");
    assertEquals(ExitCode.NOT_FOUND, refresh.exitCode());
    assertEquals(List.of("even,bundle missing", "odd,bundle missing"), columns(refresh, 0, 1));
    assertFalse(Files.exists(sidecar("even")));
  }

  @Test
  void warmReadsOnlyWhatChanged() {
    Cli.Run first = lake("warm");
    assertEquals("collection,pulled,seconds,witness", first.lines().getFirst());
    assertEquals(List.of("even,true", "odd,true"), columns(first, 0, 1));
    assertEquals(List.of("even,false", "odd,false"), columns(lake("warm"), 0, 1));

    Cli.Run status = lake("status");
    assertEquals(ExitCode.OK, status.exitCode(), status.err());
    assertEquals(List.of("even,true,30,", "odd,true,30,"), columns(status, 0, 1, 2, 4));
    assertEquals(columns(first, 3), columns(status, 3));
    assertEquals(64, columns(status, 3).getFirst().length());

    write("even", 100, 2, 40);
    Cli.Run again = lake("warm");
    assertEquals(List.of("even,true", "odd,false"), columns(again, 0, 1));
    assertNotEquals(columns(first, 3).getFirst(), columns(again, 3).getFirst());
    assertEquals(List.of("even,true,40,", "odd,true,30,"), columns(lake("status"), 0, 1, 2, 4));
  }

  @Test
  void searchesOneOrAll() {
    List<String> all =
        List.of("query,rank,collection,id,score", "0,1,even,20,0.0625", "0,2,odd,21,0.5625");
    List<String> even =
        List.of("query,rank,collection,id,score", "0,1,even,20,0.0625", "0,2,even,22,3.0625");
    for (int round = 0; round < 2; round++) {
      assertEquals(all, lake("search", NEAR_20).lines());
      assertEquals(even, lake("search", with(NEAR_20, "-c", "even")).lines());
      assertEquals(all, lake("search", with(NEAR_20, "-c", "odd", "-c", "even")).lines());
      lake("warm").data();
    }
    assertEquals(
        List.of("0,1,odd,23,7.5625"),
        lake("search", "--query", "20.25,0", "-k", 1, "--filter", "23..100", "--recall", 1)
            .lines()
            .subList(1, 2));
  }

  @Test
  void searchSeesAFileThatChanged() {
    lake("warm").data();
    write("odd", 20, 100, 2);
    assertEquals(List.of("even,20", "odd,20"), columns(lake("search", NEAR_20), 2, 3));
  }

  @Test
  void queriesOfAFile() throws IOException {
    Path raw = Samples.raw(temp.resolve("q.f32"), new float[][] {{3, 0}, {8, 0}});
    Object[] search = {"--queries", raw, "-k", 1};
    assertEquals(
        List.of("0,odd,3", "1,even,8"), columns(lake("search", with(search, "--dim", 2)), 0, 2, 3));
    assertTrue(lake("search", search).failure(ExitCode.USAGE).contains("--dim"));
    Path csv = Files.writeString(temp.resolve("q.csv"), "3,0\n8,0\n");
    assertEquals(
        List.of("0,odd,3", "1,even,8"),
        columns(lake("search", "--queries", csv, "-k", 1), 0, 2, 3));
  }

  @Test
  void failuresOfOneCollectionLeaveTheOthers() throws IOException {
    try (var files = FsBackend.open("test", folder)) {
      files.write("flat", Vectors.copyOf(new float[] {1, 2, 3}), Ids.of(7));
    }
    Cli.Run run = lake("search", NEAR_20);
    String failure = run.failure(ExitCode.DATA);
    assertTrue(failure.startsWith("ruvector: flat: "), failure);
    assertEquals(List.of("even,20", "odd,21"), columns(run, 2, 3));
    lake("search", with(NEAR_20, "-c", "flat")).failure(ExitCode.DATA);

    Files.write(folder.resolve("odd.ruvec1"), new byte[] {1, 2, 3});
    Cli.Run warm = lake("warm");
    assertTrue(warm.failure(ExitCode.DATA).contains("odd.ruvec1"), warm.err());
    assertEquals(List.of("even,true", "flat,true"), columns(warm, 0, 1));
    Cli.Run publish = lake("publish", "--to", temp.resolve("out"));
    assertTrue(publish.failure(ExitCode.DATA).contains("odd.ruvec1"), publish.err());
    assertEquals(List.of("even", "flat"), columns(publish, 0));
  }

  @Test
  void refreshTellsWhatIsOutOfDate() {
    Path out = temp.resolve("out");
    lake("warm", "-c", "even").data();
    Cli.Run published = lake("publish", "--to", out);
    assertEquals("collection,witness", published.lines().getFirst());
    assertEquals(columns(lake("status", "-c", "even"), 3), columns(published, 1).subList(0, 1));
    assertEquals(
        List.of("even,up to date", "odd,nothing saved"),
        columns(lake("refresh", "--from", out), 0, 1));

    write("even", 0, 3, 5);
    assertEquals(
        List.of("even,up to date"), columns(lake("refresh", "-c", "even", "--from", out), 0, 1));
    lake("publish", "-c", "even", "--to", out).data();
    Cli.Run old = lake("refresh", "-c", "even", "--from", out);
    assertEquals(ExitCode.OK, old.exitCode());
    assertEquals(List.of("even,invalidated"), columns(old, 0, 1));
    assertTrue(old.err().contains("even: the saved cache is out of date"), old.err());

    lake("warm", "-c", "even").data();
    assertEquals(
        List.of("even,up to date"), columns(lake("refresh", "-c", "even", "--from", out), 0, 1));
  }

  @Test
  void publishingBesideASavedCacheKeepsItWhole() {
    lake("publish").data();
    assertTrue(Files.exists(sidecar("odd")));
    assertEquals(List.of("even,false", "odd,false"), columns(lake("status"), 0, 1));
    lake("warm").data();
    write("even", 0, 3, 5);
    lake("publish").data();
    assertEquals(List.of("even,true,5,", "odd,true,30,"), columns(lake("status"), 0, 1, 2, 4));
    assertEquals(List.of("even,up to date", "odd,up to date"), columns(lake("refresh"), 0, 1));
  }

  @Test
  void whatWasTamperedWithIsRefused() throws IOException {
    lake("warm").data();
    String honest = Files.readString(sidecar("even"));
    Files.writeString(sidecar("even"), honest.replace("\"dim\": 2", "\"dim\": 3"));
    Path index = folder.resolve("odd.lake").resolve("index.rvx");
    byte[] bytes = Files.readAllBytes(index);
    bytes[bytes.length / 2] ^= 1;
    Files.write(index, bytes);

    Cli.Run status = lake("status");
    assertEquals(ExitCode.NOT_FOUND, status.exitCode());
    assertEquals(List.of("even,true,,", "odd,true,,"), columns(status, 0, 1, 2, 3));
    assertTrue(status.out().lines().toList().get(1).contains("rvf_witness is"), status.out());
    assertTrue(status.out().lines().toList().get(2).contains("index.rvx"), status.out());
    Cli.Run refresh = lake("refresh");
    assertEquals(ExitCode.NOT_FOUND, refresh.exitCode());
    assertEquals(List.of("even,refused", "odd,refused"), columns(refresh, 0, 1));

    // A search says so and reads the files; warming makes all good.
    Cli.Run search = lake("search", NEAR_20);
    assertEquals(List.of("even,20", "odd,21"), columns(search, 2, 3));
    assertEquals(ExitCode.OK, search.exitCode());
    assertTrue(search.err().contains("even: the saved cache is refused: "), search.err());
    assertEquals(List.of("even,true", "odd,true"), columns(lake("warm"), 0, 1));
    assertEquals(List.of("even,true,30,", "odd,true,30,"), columns(lake("status"), 0, 1, 2, 4));
  }

  @Test
  void addWritesACollection() throws IOException {
    Path made = temp.resolve("made").resolve("vectors");
    Path raw = Samples.raw(temp.resolve("v.f32"), new float[][] {{3, 0}, {8, 0}, {9, 0}});
    Cli.Run add = Cli.run("lake", "add", made, "few", "--input", raw, "--dim", 2, "--first-id", 7);
    assertEquals(ExitCode.OK, add.exitCode(), add.err());
    Object[] search = {"lake", "search", made, "--query", "8.5,0", "-k", 2, "--format", "csv"};
    assertEquals(List.of("few,8", "few,9"), columns(Cli.run(search), 2, 3));
    Path csv = Files.writeString(temp.resolve("v.csv"), "id,x,y\n-5,8.5,0\n");
    Cli.run("lake", "add", made, "few", "--input", csv, "--id-column", "id").data();
    assertEquals(List.of("few,-5"), columns(Cli.run(search), 2, 3));
    Cli.run("lake", "add", made, "../few", "--input", csv).failure(ExitCode.USAGE);
    Path none = temp.resolve("none.npy");
    Cli.run("lake", "add", made, "few", "--input", none).failure(ExitCode.DATA);
    Cli.run("lake", "add", made, "--input", csv).failure(ExitCode.USAGE);
    Path bad = Files.writeString(temp.resolve("bad.csv"), "1,2\n1,2\n");
    Path ids = Files.writeString(temp.resolve("ids.txt"), "4\n4\n");
    Cli.run("lake", "add", made, "few", "--input", bad, "--ids", ids).failure(ExitCode.DATA);
    assertEquals(List.of("few,-5"), columns(Cli.run(search), 2, 3));
  }

  private Path pem(String label, byte[] encoded) throws IOException {
    String body = Base64.getMimeEncoder().encodeToString(encoded);
    return Files.writeString(
        temp.resolve(label.charAt(1) + ".pem"),
        "-----BEGIN %1$s-----\n%2$s\n-----END %1$s-----\n".formatted(label, body));
  }

  @Test
  void whatIsSignedIsTrusted() throws IOException, GeneralSecurityException {
    KeyPair keys = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    Path secret = pem("PRIVATE KEY", keys.getPrivate().getEncoded());
    Path known = pem("PUBLIC KEY", keys.getPublic().getEncoded());
    Object[] trust = {"--trust", known};

    lake("warm").data();
    Cli.Run refused = lake("status", trust);
    assertEquals(ExitCode.NOT_FOUND, refused.exitCode());
    assertTrue(refused.out().contains("not signed"), refused.out());
    // A search does without, and finds the same.
    Cli.Run search = lake("search", with(NEAR_20, trust));
    assertEquals(List.of("even,20", "odd,21"), columns(search, 2, 3));
    assertTrue(search.err().contains("not signed"), search.err());

    lake("publish", with(trust, "--sign-with", secret)).data();
    assertEquals(
        List.of("even,true,30,", "odd,true,30,"), columns(lake("status", trust), 0, 1, 2, 4));
    assertEquals(
        List.of("even,up to date", "odd,up to date"), columns(lake("refresh", trust), 0, 1));
    write("odd", 1, 2, 10);
    lake("warm", with(trust, "--sign-with", secret)).data();
    assertEquals(
        List.of("even,true,30,", "odd,true,10,"), columns(lake("status", trust), 0, 1, 2, 4));
    lake("warm").data();
    assertEquals(ExitCode.OK, lake("status").exitCode());

    assertTrue(
        lake("status", "--trust", secret).failure(ExitCode.DATA).contains("BEGIN PUBLIC KEY"));
    lake("warm", "--sign-with", known).failure(ExitCode.DATA);
    lake("warm", "--sign-with", temp.resolve("none.pem")).failure(ExitCode.DATA);
  }

  @Test
  void statsCountWhatWasLoaded() {
    lake("warm", "-c", "even").data();
    List<String> lines = lake("stats").lines();
    assertEquals(
        "collection,hits,misses,primes,refreshes,invalidations,shared_hits,warm_installs,stale,"
            + "pushed_down,prime_seconds,last_prime_seconds,entries,bytes",
        lines.getFirst());
    assertEquals(3, lines.size());
    assertTrue(lines.get(1).startsWith("even,0,0,0,0,0,0,1,0,0,0.0,0.0,1,"), lines.get(1));
    assertEquals(lines.get(1).replace("even", ""), lines.get(2));
  }

  @Test
  void formats() {
    assertEquals(
        List.of(
            "{\"collection\":\"odd\",\"saved\":false,\"rows\":null,\"witness\":null,"
                + "\"problem\":null}"),
        Cli.run("lake", "status", folder, "-c", "odd", "--format", "jsonl").lines());
    Object[] search = {"lake", "search", folder, "-c", "odd", "--query", "1,0", "-k", 1};
    assertEquals(
        List.of("[{\"query\":0,\"rank\":1,\"collection\":\"odd\",\"id\":1,\"score\":0.0}]"),
        Cli.run(with(search, "--format", "json")).lines());
    assertEquals(
        List.of("query  rank  collection  id  score", "    0     1  odd          1    0.0"),
        Cli.run(search).lines());
  }

  @Test
  void whatIsNotThere() {
    for (String command : List.of("status", "warm", "publish", "refresh", "stats")) {
      String failure = lake(command, "-c", "evn").failure(ExitCode.NOT_FOUND);
      assertTrue(failure.contains("'evn', there are: [even, odd]"), failure);
    }
    lake("search", with(NEAR_20, "-c", "even", "-c", "evn")).failure(ExitCode.NOT_FOUND);
    Path none = temp.resolve("none");
    Cli.run("lake", "status", none).failure(ExitCode.DATA);
    assertFalse(Files.exists(none));
    Cli.run("lake", "search", temp, "--query", "1,0").failure(ExitCode.NOT_FOUND);
    Cli.run("lake", "status").failure(ExitCode.USAGE);
    lake("search").failure(ExitCode.USAGE);
    lake("search", "--query", "1,0", "-k", 0).failure(ExitCode.USAGE);
  }

  private static Object[] with(Object[] some, Object... more) {
    return Stream.of(some, more).flatMap(Arrays::stream).toArray();
  }
}
