package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.embed.Embedder;
import io.ruvector.embed.Models;
import io.ruvector.index.FlatF32Index;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.Vectors;
import io.ruvector.internal.Json;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** From lines of text to files of vectors, to an index and to hits. */
class TextCommandsTest {
  private static final List<String> LINES =
      List.of("a b", "", "c \"d\"", "\u00e9", "k l m a b c d e f g h i j k l m a b c");

  @TempDir Path folder;
  private Path model;
  private Path lines;
  private float[][] expected;

  @BeforeEach
  void embedLines() throws IOException {
    model = Models.tiny(folder.resolve("tiny"));
    lines = Files.write(folder.resolve("lines.txt"), LINES);
    try (var embedder = Embedder.fromDirectory(model)) {
      expected = LINES.stream().map(embedder::embed).toArray(float[][]::new);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"out.npy", "out.fvecs", "out.f32"})
  void embedWritesVectors(String name) {
    Path file = folder.resolve(name);
    List<String> told =
        Cli.run("embed", "--model", model, "--input", lines, "-o", file, "--format", "csv").lines();
    assertEquals("file,texts,dim,truncated,bytes", told.get(0));
    assertTrue(told.get(1).startsWith(file + ",5,8,1,"), told.get(1));
    Vectors vectors = Vectors.map(file, 8);
    assertEquals(LINES.size(), vectors.rows());
    for (int row = 0; row < LINES.size(); row++) {
      assertArrayEquals(expected[row], vectors.row(row), 1e-6f);
    }
  }

  private void checkJson(List<String> found) throws IOException {
    assertEquals(LINES.size(), found.size());
    for (int row = 0; row < LINES.size(); row++) {
      var line = (Map<?, ?>) Json.read(found.get(row).getBytes(StandardCharsets.UTF_8));
      assertEquals(LINES.get(row), line.get("text"));
      var vector = (List<?>) line.get("vector");
      for (int d = 0; d < 8; d++) {
        assertEquals(expected[row][d], ((Number) vector.get(d)).floatValue(), 1e-6f);
      }
    }
  }

  @Test
  void embedWritesJson() throws IOException {
    Path file = folder.resolve("out.jsonl");
    Cli.run("embed", "--model", model, "--input", lines, "-o", file).data();
    checkJson(Files.readAllLines(file));
    InputStream stdin = System.in;
    try {
      System.setIn(new ByteArrayInputStream(Files.readAllBytes(lines)));
      checkJson(Cli.run("embed", "--model", model, "--batch-size", 2).lines());
    } finally {
      System.setIn(stdin);
    }
  }

  @Test
  void fromTextToHits() {
    Path index = folder.resolve("lines.rvx");
    Cli.run("index", "build", "--index", "flat", "--text", lines, "--model", model, "-o", index)
        .data();
    List<String> hits =
        Cli.run(
                "search",
                "--index-file",
                index,
                "--text",
                "c \"d\"",
                "--model",
                model,
                "--texts",
                lines,
                "-k",
                2,
                "--format",
                "csv")
            .lines();
    assertEquals("query,rank,id,score,text", hits.get(0));
    assertEquals("0,1,2,0.0,\"c \"\"d\"\"\"", hits.get(1));
    assertEquals(3, hits.size());
    Cli.run("index", "add", index, "--text", lines, "--model", model, "--first-id", 100).data();
    String found =
        Cli.run("search", "--index-file", index, "--text", "a b", "--model", model, "-k", 2).data();
    assertTrue(found.contains("100"), found);
  }

  /** What can be known without the model is refused before it is opened: there is none. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "embed --input MISSING | missing.txt: no such file",
        "embed --input EMPTY | empty.txt: empty, expected a text",
        "embed --input BAD | bad.txt: line 2: not UTF-8",
        "embed --input DIR | dir: Is a directory",
        "embed --input GOOD -o MISSING/out.npy | missing.txt/out.npy cannot be written",
        "embed --input GOOD -o GOOD/out.npy | lines.txt/out.npy cannot be written",
        "embed --input GOOD -o DIR.npy | dir.npy is a folder",
        "index build --index flat --text MISSING -o OUT | missing.txt: no such file",
        "index build --index flat --text EMPTY -o OUT | empty.txt: empty, expected a text",
        "index build --index flat --text BAD -o OUT | bad.txt: line 2: not UTF-8",
        "index build --index flat --text GOOD -o DIR | dir is a folder",
        "index build --index flat --text GOOD -o MISSING/x.rvx | x.rvx cannot be written",
        "index build --index flat --text GOOD --ids IDS -o OUT | ids.txt: 2 ids, expected one for",
        "index add INDEX --text BAD --first-id 9 | bad.txt: line 2: not UTF-8",
        "index add INDEX --text GOOD --first-id 9 -o DIR | dir is a folder",
        "search --index-file MISSING --text a | missing.txt",
        "search --index-file INDEX --text a --texts BAD | bad.txt: line 2: not UTF-8",
        "lake add DIR few --text EMPTY | empty.txt: empty, expected a text",
        "lake add GOOD few --text GOOD | lines.txt",
        "lake search MISSING --text a | missing.txt: no such folder",
      })
  void whatNeedsNoModelIsRefusedBeforeIt(String line, String message) throws IOException {
    Files.write(folder.resolve("bad.txt"), new byte[] {'a', '\n', (byte) 0xff, '\n'});
    Files.createFile(folder.resolve("empty.txt"));
    Files.createDirectory(folder.resolve("dir"));
    Files.createDirectory(folder.resolve("dir.npy"));
    Files.writeString(folder.resolve("ids.txt"), "1\n2\n");
    try (var index = FlatF32Index.create(8, IndexOptions.defaults())) {
      index.save(folder.resolve("index.rvx"));
    }
    String arguments =
        line.replace("GOOD", lines.toString())
            .replace("OUT", folder + "/out.rvx")
            .replace("INDEX", folder + "/index.rvx")
            .replace("MISSING", folder + "/missing.txt")
            .replace("EMPTY", folder + "/empty.txt")
            .replace("BAD", folder + "/bad.txt")
            .replace("IDS", folder + "/ids.txt")
            .replace("DIR", folder + "/dir");
    arguments += " --model no-such-model";
    String found = Cli.run((Object[]) arguments.split(" ")).failure(ExitCode.DATA);
    assertTrue(found.contains(message), found);
  }

  @Test
  void whatIsWrongIsNamed() throws IOException {
    Path bad = Files.write(folder.resolve("bad.txt"), new byte[] {'a', '\n', (byte) 0xff, '\n'});
    Path out = folder.resolve("out.npy");
    String message =
        Cli.run("embed", "--model", model, "--input", bad, "-o", out).failure(ExitCode.DATA);
    assertTrue(message.contains(bad + ": line 2: not UTF-8"), message);
    assertFalse(Files.exists(out));
    Files.write(bad, new byte[0]);
    message = Cli.run("embed", "--model", model, "--input", bad).failure(ExitCode.DATA);
    assertTrue(message.contains("empty, expected a text on each line"), message);
    message =
        Cli.run("embed", "--model", model, "--input", lines, "-o", "out.csv")
            .failure(ExitCode.USAGE);
    assertTrue(message.contains("'.csv' is not one of .npy"), message);
    Files.delete(model.resolve("vocab.txt"));
    message = Cli.run("embed", "--model", model, "--input", lines).failure(ExitCode.DATA);
    assertTrue(message.contains("neither tokenizer.json nor vocab.txt"), message);
    message =
        Cli.run("index", "build", "--index", "flat", "--text", lines, "--input", lines, "-o", out)
            .failure(ExitCode.USAGE);
    assertTrue(message.contains("mutually exclusive"), message);
  }
}
