package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchCommandTest {
  private static final int DIM = 24;

  /** What the pool of the other tests in this process has: it cannot be set again. */
  private static final int THREADS = Math.min(8, Runtime.getRuntime().availableProcessors());

  @TempDir private Path folder;
  private Path base;
  private Path queries;
  private Path truth;
  private int[][] nearest;

  @BeforeEach
  void writeFiles() throws IOException {
    float[][] rows = Samples.vectors(2_000, DIM, 4);
    float[][] some = Samples.vectors(60, DIM, 5);
    base = Samples.raw(folder.resolve("base.f32"), rows);
    queries = Samples.raw(folder.resolve("query.f32"), some);
    nearest = Samples.truth(rows, some, 100);
    truth = Samples.ints(folder.resolve("truth.i32"), nearest, false);
  }

  private Cli.Run bench(Path truthFile, Object... more) {
    List<Object> all =
        new ArrayList<>(
            List.of("bench", "--base", base, "--queries", queries, "--truth", truthFile));
    all.addAll(List.of("--dim", DIM, "--threads", THREADS, "--format", "jsonl"));
    if (!Arrays.asList(more).contains("--pass-seconds")) {
      all.addAll(List.of("--pass-seconds", .01));
    }
    all.addAll(Arrays.asList(more));
    return Cli.run(all.toArray());
  }

  private static double number(String line, String name) {
    String after = line.substring(line.indexOf("\"%s\":".formatted(name)) + name.length() + 3);
    return Double.parseDouble(after.split("[,}]")[0]);
  }

  @Test
  void printsTheBuildAndEachSetting() {
    List<String> lines =
        bench(
                truth,
                "--index",
                "plus",
                "--tag",
                "t",
                "--k",
                "10",
                "--sweep",
                "epsilon=0.2,1.9;rerankFactor=5,50")
            .lines();
    assertEquals(5, lines.size());
    String number = "[0-9]+\\.[0-9]+";
    assertTrue(
        lines
            .get(0)
            .matches(
                "\\{'tag':'t','build_s':N,'build_cpu_s':N,'bytes_per_vec':N,'resident_per_vec':N,"
                    .replace('\'', '"')
                    .replace("N", number)
                    .concat("\"cpu\":\"[^\"]+\"}")),
        lines.get(0));
    String[] settings = {
      "epsilon=0.2;rerankFactor=5", "epsilon=0.2;rerankFactor=50",
      "epsilon=1.9;rerankFactor=5", "epsilon=1.9;rerankFactor=50"
    };
    for (int i = 0; i < settings.length; i++) {
      assertTrue(
          lines
              .get(i + 1)
              .matches(
                  "\\{'tag':'t','p':'%s','allowed':N,'recall':N,'qps':N,'qps_cpu':N,'p50_us':N,'p99_us':N,"
                      .concat("'scanned':N,'estimated':N,'reranked':N}")
                      .formatted(settings[i])
                      .replace('\'', '"')
                      .replace("N", number)),
          lines.get(i + 1));
    }
    assertTrue(number(lines.get(1), "recall") < number(lines.get(4), "recall"));
    assertTrue(number(lines.get(4), "recall") > .98, lines.get(4));
    assertTrue(number(lines.get(4), "p50_us") <= number(lines.get(4), "p99_us"));
    assertEquals(2_000, number(lines.get(1), "scanned"));
    assertTrue(number(lines.get(1), "estimated") <= number(lines.get(4), "estimated"));
    assertTrue(number(lines.get(1), "reranked") < number(lines.get(4), "reranked"));
  }

  /** Of the true 100 fewer are found than of the true 10. */
  @Test
  void aimsAtARecallOfAsManyAsTold() {
    List<String> lines =
        bench(truth, "--index", "plus", "--pass-seconds", 0, "--sweep", "recall=.8,.99,1").lines();
    assertTrue(number(lines.get(1), "recall") >= .8, lines.get(1));
    assertTrue(number(lines.get(2), "recall") >= .98, lines.get(2));
    assertEquals(1, number(lines.get(3), "recall"));
    String ten = bench(truth, "--index", "flat", "--k", 100).lines().get(1);
    assertEquals(1, number(ten, "recall"));
    Object[] few = {"--index", "plus", "--k", 100, "--sweep", "epsilon=0;rerankFactor=1"};
    String hundred = bench(truth, with(few, "--recall-at", 100)).lines().get(1);
    assertTrue(
        number(hundred, "recall") < number(bench(truth, few).lines().get(1), "recall"), hundred);
    bench(truth, "--index", "plus", "--recall-at", 0).failure(2);
    bench(truth, "--index", "plus", "--sweep", "recall=1.5").failure(2);
  }

  /** The exact scan finds all that a filter allows, and the true neighbours are among those. */
  @Test
  void measuresUnderFilters() {
    List<String> lines = bench(truth, "--index", "flat", "--allowed", "1,.1").lines();
    assertEquals(1, number(lines.get(1), "allowed"));
    assertEquals(2_000, number(lines.get(1), "scanned"));
    assertEquals(.1, number(lines.get(2), "allowed"));
    assertEquals(200, number(lines.get(2), "scanned"), 60);
    for (String line : lines.subList(1, 3)) {
      assertEquals(1, number(line, "recall"), line);
    }
    for (String shares : List.of("0", "1.1", "-1", "NaN", ".001")) {
      bench(truth, "--index", "flat", "--allowed", shares).failure(2);
    }
  }

  private static Object[] with(Object[] some, Object... more) {
    return Stream.of(some, more).flatMap(Arrays::stream).toArray();
  }

  @Test
  void drawsWhatItMeasured() throws IOException {
    Path plot = folder.resolve("plot.svg");
    bench(truth, "--index", "plus", "--tag", "t", "--sweep", "epsilon=0.2,1.9", "--plot", plot)
        .data();
    String svg = Files.readString(plot);
    assertTrue(svg.contains("t: plus, l2, 2,000 rows of 24 dimensions"), svg);
    assertEquals(2, svg.split("<circle ", -1).length - 1);
    assertTrue(svg.contains(">epsilon=1.9</text>"), svg);
    bench(truth, "--index", "plus", "--plot", folder.resolve("plot.png")).failure(2);
    bench(truth, "--index", "plus", "--plot", folder.resolve("none/plot.svg")).failure(1);
  }

  @Test
  void exactScanFindsAll() throws IOException {
    Path ivecs = Samples.ints(folder.resolve("truth.ivecs"), nearest, true);
    String line = bench(ivecs, "--index", "flat", "--originals", "mapped").lines().get(1);
    assertTrue(line.startsWith("{\"tag\":\"\",\"p\":\"\",\"allowed\":1.0,\"recall\":1.0,"), line);
  }

  @Test
  void moreCellsFindMore() {
    List<String> lines =
        bench(
                truth,
                "--index",
                "ivf",
                "--nlist",
                40,
                "--originals",
                "none",
                "--bits",
                8,
                "--sweep",
                "nprobe=1,40")
            .lines();
    assertTrue(lines.get(1).startsWith("{\"tag\":\"\",\"p\":\"nprobe=1\","), lines.get(1));
    assertTrue(number(lines.get(1), "recall") < .8, lines.get(1));
    assertTrue(number(lines.get(2), "recall") > .95, lines.get(2));
  }

  @Test
  void moreHitsFindMoreOfTheTrueTen() {
    double few = number(bench(truth, "--index", "rabitq").lines().get(1), "recall");
    double many = number(bench(truth, "--index", "rabitq", "--k", 100).lines().get(1), "recall");
    assertTrue(many > 2 * few && many < 1, few + " " + many);
  }

  @Test
  void tiesCount() throws IOException {
    float[][] rows = new float[40][DIM];
    base = Samples.raw(folder.resolve("equal.f32"), rows);
    int[][] last = new int[60][10];
    for (int[] row : last) {
      Arrays.setAll(row, i -> 30 + i);
    }
    Path file = Samples.ints(folder.resolve("equal.i32"), last, false);
    String line = bench(file, "--index", "plus", "--truth-k", 10).lines().get(1);
    assertEquals(1, number(line, "recall"), line);
  }

  @Test
  void wrongUsageAndData() throws IOException {
    for (String sweep :
        List.of("ef=7", "epsilon", "epsilon=x", "nprobe=0", "nprobe=65537", "rerankFactor=1.5")) {
      bench(truth, "--index", "plus", "--sweep", sweep).failure(2);
    }
    bench(truth, "--index", "graph").failure(2);
    bench(truth, "--index", "plus", "--truth-k", 99).failure(1);
    nearest[3][4] = 2_000;
    Path beyond = Samples.ints(folder.resolve("beyond.i32"), nearest, false);
    String failure = bench(beyond, "--index", "plus").failure(1);
    assertTrue(failure.contains("row 2000"), failure);
  }
}
