package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SearchCommandTest {
  @TempDir private Path folder;
  private Path index;

  @BeforeEach
  void buildIndex() throws IOException {
    float[][] vectors = new float[50][];
    for (int i = 0; i < vectors.length; i++) {
      vectors[i] = new float[] {i, 0, 1};
    }
    Path raw = Samples.raw(folder.resolve("line.f32"), vectors);
    index = folder.resolve("line.rvx");
    Cli.run("index", "build", "--index", "plus", "--input", raw, "--dim", 3, "-o", index).data();
  }

  @Test
  void oneQuery() {
    assertEquals(
        List.of("query,rank,id,score", "0,1,20,0.0625", "0,2,21,0.5625", "0,3,19,1.5625"),
        Cli.run(
                "search",
                "--index-file",
                index,
                "--query",
                "20.25, 0, 1",
                "-k",
                3,
                "--format",
                "csv")
            .lines());
  }

  @Test
  void queriesOfAFileAmongSomeIds() throws IOException {
    Path queries =
        Samples.raw(folder.resolve("q.f32"), new float[][] {{0, 0, 1}, {49, 0, 1}, {30, 0, 1}});
    assertEquals(
        List.of(
            "{\"query\":0,\"rank\":1,\"id\":5,\"score\":25.0}",
            "{\"query\":1,\"rank\":1,\"id\":40,\"score\":81.0}",
            "{\"query\":2,\"rank\":1,\"id\":40,\"score\":100.0}"),
        Cli.run(
                "search",
                "--index-file",
                index,
                "--queries",
                queries,
                "-k",
                1,
                "--epsilon",
                3,
                "--rerank-factor",
                50,
                "--filter",
                "5..10,40,-7..-3",
                "--format",
                "jsonl")
            .lines());
  }

  @Test
  void looksIntoMoreCells() throws IOException {
    Path raw = Samples.raw(folder.resolve("cells.f32"), Samples.vectors(300, 3, 6));
    Path cells = folder.resolve("cells.rvx");
    Object[] build = {
      "index", "build", "--index", "ivf", "--nlist", 20, "--nprobe", 1, "--input", raw, "--dim", 3
    };
    Cli.run(Stream.concat(Stream.of(build), Stream.of("-o", cells)).toArray()).data();
    Object[] search = {
      "search", "--index-file", cells, "--query", "0.1,0,0", "-k", 12, "--format", "csv"
    };
    List<String> one = Cli.run(search).lines();
    List<String> all =
        Cli.run(Stream.concat(Stream.of(search), Stream.of("--nprobe", 20)).toArray()).lines();
    assertEquals(13, one.size());
    assertEquals(13, all.size());
    assertTrue(lastScore(all) < lastScore(one), all + " " + one);
    Cli.run(Stream.concat(Stream.of(search), Stream.of("--nprobe", 0)).toArray()).failure(2);
  }

  private static float lastScore(List<String> lines) {
    String last = lines.getLast();
    return Float.parseFloat(last.substring(last.lastIndexOf(',') + 1));
  }

  @Test
  void noHits() {
    assertEquals(
        List.of("[]"),
        Cli.run(
                "search",
                "--index-file",
                index,
                "--query",
                "0,0,1",
                "--filter",
                "1000..2000",
                "--format",
                "json")
            .lines());
  }

  @Test
  void wrongUsage() {
    Object[][] wrong = {
      {"--query", "1,2,x"},
      {"--query", "1,2,3", "-k", 0},
      {"--query", "1,2,3", "--filter", "7..3"},
      {"--query", "1,2,3", "--filter", "1..99999999999999999999"},
      {"--query", "1,2,3", "--filter", "a"},
      {"--query", "1,2,3", "--queries", "q.f32"},
      {"--query", "1,2,3", "--format", "xml"},
      {}
    };
    for (Object[] more : wrong) {
      Object[] all = new Object[more.length + 3];
      System.arraycopy(new Object[] {"search", "--index-file", index}, 0, all, 0, 3);
      System.arraycopy(more, 0, all, 3, more.length);
      Cli.run(all).failure(2);
    }
  }

  @Test
  void wrongData() {
    Cli.run("search", "--index-file", index, "--query", "1,2").failure(1);
    Cli.run("search", "--index-file", index, "--query", "1,2,NaN").failure(1);
    Cli.run("search", "--index-file", folder.resolve("none"), "--query", "1").failure(1);
  }

  @Test
  void verboseShowsTheStack() {
    Cli.Run run = Cli.run("search", "--index-file", index, "--query", "1,2", "--verbose");
    assertEquals(1, run.exitCode());
    assertTrue(run.err().contains("DimensionMismatchException"), run.err());
    assertTrue(run.err().contains("\tat io.ruvector.cli.SearchCommand"), run.err());
  }

  @Test
  void aRecall() {
    Object[] search = {"search", "--index-file", index, "--query", "20.25, 0, 1", "-k", 1};
    for (Object recall : new Object[] {.5, 1}) {
      List<String> lines = Cli.run(with(search, "--recall", recall, "--format", "csv")).lines();
      assertEquals(List.of("query,rank,id,score", "0,1,20,0.0625"), lines);
    }
    Cli.run(with(search, "--recall", 0)).failure(2);
    Cli.run(with(search, "--recall", 1.1)).failure(2);
  }

  private static Object[] with(Object[] some, Object... more) {
    return Stream.of(some, more).flatMap(Arrays::stream).toArray();
  }
}
