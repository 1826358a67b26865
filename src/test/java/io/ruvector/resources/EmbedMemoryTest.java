package io.ruvector.resources;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.ruvector.embed.EmbedOptions;
import io.ruvector.embed.Embedder;
import io.ruvector.embed.Models;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What embedding leaves behind: nothing, neither by a call nor by a model that was closed. */
class EmbedMemoryTest {
  private static final int TEXTS = 100_000;
  private static final int MODELS = 100;

  /** A tensor that is not closed leaves about as much for each text. */
  private static final long BYTES_PER_TEXT = 100;

  private static final long BYTES_PER_MODEL = 100_000;

  /** What the compiler and the allocators take in a while, however many texts there are. */
  private static final long SLACK = 10_000_000;

  @TempDir Path folder;

  /** Prints what a hundred thousand texts left behind, and what so many models did. */
  static final class Program {
    public static void main(String[] args) throws IOException {
      Path model = Path.of(args[0]);
      var random = new Random(Long.parseLong(args[1]));
      try (var embedder = Embedder.fromDirectory(model)) {
        embed(embedder, random, TEXTS / 5);
        long before = ProcessMemory.anonymous();
        embed(embedder, random, TEXTS);
        System.out.print(ProcessMemory.anonymous() - before);
      }
      openAndClose(model, MODELS / 2);
      long before = ProcessMemory.anonymous();
      openAndClose(model, MODELS);
      System.out.println(" " + (ProcessMemory.anonymous() - before));
    }

    private static void openAndClose(Path model, int models) {
      for (int i = 0; i < models; i++) {
        try (var embedder = Embedder.fromDirectory(model)) {
          embedder.embed("a");
        }
      }
    }

    private static void embed(Embedder embedder, Random random, int texts) {
      for (int done = 0; done < texts; done += 100) {
        // Alone and in batches, of all lengths.
        String text = "a b c d ".repeat(random.nextInt(8));
        for (int i = 0; i < 50; i++) {
          embedder.embed(text.substring(0, text.length() * i / 50));
        }
        embedder.embedBatch(List.of(text.repeat(50).split("(?<=\\G.{4})", 50)));
      }
    }
  }

  /** Prints what so many short texts left behind, one at a time on one thread. */
  static final class ShortTexts {
    public static void main(String[] args) throws IOException {
      int texts = Integer.parseInt(args[1]);
      var options = EmbedOptions.defaults().threads(1);
      try (var embedder = Embedder.fromDirectory(Path.of(args[0]), options)) {
        embed(embedder, 200);
        long before = ProcessMemory.anonymous();
        embed(embedder, texts);
        System.out.println(ProcessMemory.anonymous() - before);
      }
    }

    private static void embed(Embedder embedder, int texts) {
      for (int i = 0; i < texts; i++) {
        embedder.embed("one of the short texts, number " + i);
      }
    }
  }

  /** With 1,000 texts, or {@code -Dtests.embeds=TEXTS}. */
  @Test
  void theRealModelLeavesNothingBehind() throws Exception {
    assumeTrue(ProcessMemory.isCounted(), "this system does not count the memory of a process");
    int texts = Integer.getInteger("tests.embeds", 1_000);
    long began = System.nanoTime();
    long[] left =
        ProcessMemory.run(
            "-XX:TieredStopAtLevel=1", ShortTexts.class, Models.miniLm().toAbsolutePath(), texts);
    System.out.printf(
        "embedding %,d texts left %,d bytes, in %d s%n",
        texts, left[0], (System.nanoTime() - began) / 1_000_000_000);
    assertTrue(left[0] < SLACK, left[0] + " bytes after the texts");
  }

  @Test
  void embeddingLeavesNothingBehind() throws Exception {
    assumeTrue(ProcessMemory.isCounted(), "this system does not count the memory of a process");
    long seed = Seed.random("embed memory").nextLong();
    long[] left =
        ProcessMemory.run("-XX:TieredStopAtLevel=1", Program.class, Models.tiny(folder), seed);
    assertTrue(left[0] < TEXTS * BYTES_PER_TEXT, left[0] + " bytes after the texts");
    assertTrue(left[1] < MODELS * BYTES_PER_MODEL, left[1] + " bytes after the models");
    System.out.println("embedding left " + left[0] + " and " + left[1] + " bytes");
  }
}
