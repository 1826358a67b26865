package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TuneCommandTest {
  private static final int DIM = 24;

  @TempDir private Path folder;
  private Path base;
  private Path queries;
  private Path truth;

  @BeforeEach
  void writeFiles() throws IOException {
    float[][] rows = Samples.vectors(2_000, DIM, 4);
    float[][] some = Samples.vectors(60, DIM, 5);
    base = Samples.raw(folder.resolve("base.f32"), rows);
    queries = Samples.raw(folder.resolve("query.f32"), some);
    truth = Samples.ints(folder.resolve("truth.i32"), Samples.truth(rows, some, 20), false);
  }

  private Path build(String kind) {
    Path file = folder.resolve(kind + ".rvx");
    Cli.run("index", "build", "--index", kind, "--input", base, "--dim", DIM, "--output", file)
        .data();
    return file;
  }

  private Cli.Run tune(Path file, Object... more) {
    List<Object> all = new ArrayList<>(List.of("tune", "--index-file", file));
    all.addAll(List.of("--queries", queries, "--format", "jsonl"));
    all.addAll(Arrays.asList(more));
    return Cli.run(all.toArray());
  }

  @Test
  void printsTheBestSettings() {
    List<String> lines = tune(build("plus"), "--recall", .8, "-k", 5).lines();
    assertEquals(1, lines.size());
    String pattern =
        "{'epsilon':N,'nprobe':null,'rerank_factor':I,'recall':N,'recall_low':N,'recall_high':N,"
            + "'qps':N,'p50_us':N,'p99_us':N,'queries':30,'reached':true}";
    assertTrue(
        lines
            .get(0)
            .matches(
                pattern
                    .replace('\'', '"')
                    .replace("{", "\\{")
                    .replace("}", "\\}")
                    .replace("N", "[0-9.]+")
                    .replace("I", "[0-9]+")),
        lines.get(0));
  }

  @Test
  void printsTheCurve() {
    List<String> lines = tune(build("plus"), "--recall", .8, "--curve").lines();
    assertTrue(lines.size() > 3, lines.toString());
  }

  /** What codes alone cannot reach is told by the exit code, beside the best that there is. */
  @Test
  void outOfReach() {
    Path codes = build("rabitq");
    assertTrue(tune(codes).failure(2).contains("truth"));
    Cli.Run run = tune(codes, "--truth", truth, "--truth-k", 20);
    assertEquals(ExitCode.NOT_FOUND, run.exitCode());
    assertTrue(run.out().contains("\"reached\":false"), run.out());
    assertTrue(run.err().contains("was not reached"), run.err());
    String few = tune(codes, "--truth", truth, "--truth-k", 20, "--recall", .01).data();
    assertTrue(few.contains("\"reached\":true"), few);
    assertTrue(
        tune(codes, "--truth", truth, "--truth-k", 20, "--filter", "0..99", "--recall", .01)
            .err()
            .isEmpty());
  }

  @Test
  void wrongUsageAndData() {
    Path file = build("flat");
    tune(file, "--recall", 1.5).failure(2);
    tune(file, "--max-seconds", 0).failure(2);
    tune(file, "--truth", folder.resolve("none")).failure(1);
    tune(file, "--truth", truth, "--truth-k", 7).failure(1);
    tune(file, "--max-seconds", 1e-9).failure(1);
  }
}
