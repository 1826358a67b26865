package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class DemoCommandTest {
  @Test
  void answersAndCompares() {
    List<String> lines = Cli.run("demo", "Guitar", "-k", 3, "--format", "jsonl").lines();
    assertEquals(3 + 5, lines.size());
    assertTrue(
        lines.get(0).startsWith("{\"word\":\"guitar\",\"rank\":1,\"near\":\"bass\","),
        lines.get(0));
    assertTrue(
        lines.get(3).startsWith("{\"index\":\"FlatF32Index (exact)\",\"bits\":0,\"recall@10\":1.0"),
        lines.get(3));
    assertTrue(lines.get(4).contains("\"recall@10\":0.99"), lines.get(4));
    assertTrue(lines.get(5).startsWith("{\"index\":\"IvfIndex\""), lines.get(5));
    assertTrue(lines.get(6).contains("\"of_float32\":0.2}"), lines.get(6));
  }

  @Test
  void unknownWordGetsNearSpellings() {
    Cli.Run run = Cli.run("demo", "cofee", "--format", "csv");
    assertEquals(ExitCode.NOT_FOUND, run.exitCode());
    assertTrue(
        run.err().contains("'cofee' is not one of the 20000 words; spelt like it: coffee,"),
        run.err());
  }
}
