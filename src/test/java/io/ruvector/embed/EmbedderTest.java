package io.ruvector.embed;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.index.Hit;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.Originals;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.SearchResult;
import io.ruvector.index.Vectors;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 2, unit = TimeUnit.MINUTES)
class EmbedderTest {
  private static final int GOLDEN = 40;
  private static final double SAME = .9999;

  @TempDir Path folder;

  private static double cosine(float[] a, float[] b) {
    double dot = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      dot += (double) a[i] * b[i];
      aa += (double) a[i] * a[i];
      bb += (double) b[i] * b[i];
    }
    return dot / Math.sqrt(aa * bb);
  }

  private static double norm(float[] vector) {
    double squares = 0;
    for (float x : vector) {
      squares += (double) x * x;
    }
    return Math.sqrt(squares);
  }

  /** Words of the tiny vocabulary, some unknown, some texts empty, some too long. */
  private static List<String> tinyTexts(Random random, int count) {
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      var text = new StringBuilder();
      for (int words = random.nextInt(12); words > 0; words--) {
        random.ints(1 + random.nextInt(3), 'a', 'o').forEach(c -> text.append((char) c));
        text.append(' ');
      }
      texts.add(text.toString());
    }
    return texts;
  }

  /** The rows of tiny.onnx's table: the vectors of one token without the others. */
  private static float[] tinyOracle(float[][] table, int[] tokens, int maxTokens) {
    float[] mean = new float[table[0].length];
    int n = Math.min(tokens.length, maxTokens);
    for (int i = 0; i < n; i++) {
      // What ends a text ends a shortened one too.
      int token = i == n - 1 ? tokens[tokens.length - 1] : tokens[i];
      for (int d = 0; d < mean.length; d++) {
        mean[d] += table[token][d] / n;
      }
    }
    return mean;
  }

  /** Read from the file: 32 rows of 8 floats, the only run of so many bytes in it. */
  private static float[][] tinyTable() throws IOException {
    byte[] file = Files.readAllBytes(Path.of("testdata/embed/tiny.onnx"));
    var buffer = java.nio.ByteBuffer.wrap(file).order(java.nio.ByteOrder.LITTLE_ENDIAN);
    // Field 9 of a tensor, raw_data, with its length as a varint.
    byte[] mark = {0x4a, (byte) 0x80, 0x08};
    int at =
        IntStream.range(0, file.length)
            .filter(i -> Arrays.equals(file, i, Math.min(i + 3, file.length), mark, 0, 3))
            .findFirst()
            .orElseThrow();
    float[][] table = new float[32][8];
    for (int i = 0; i < 256; i++) {
      table[i / 8][i % 8] = buffer.getFloat(at + 3 + 4 * i);
    }
    return table;
  }

  @Test
  void vectorsOfDoublePrecision() throws IOException {
    List<String> texts =
        WordPieceTokenizerTest.Golden.read().stream()
            .limit(GOLDEN)
            .map(WordPieceTokenizerTest.Golden::text)
            .toList();
    Vectors expected = Vectors.map(Path.of("testdata/embed/vectors.npy"), 384);
    assertEquals(GOLDEN, expected.rows());
    try (var embedder = Embedder.fromDirectory(Models.miniLm());
        EmbedResult result = embedder.embed(EmbedRequest.of(texts).batchSize(7))) {
      assertEquals(384, embedder.dimension());
      assertEquals(256, embedder.maxTokens());
      for (int i = 0; i < GOLDEN; i++) {
        float[] batched = result.vectors().row(i);
        assertTrue(cosine(batched, expected.row(i)) >= SAME, "batched " + texts.get(i));
        float[] alone = embedder.embed(texts.get(i));
        assertTrue(cosine(alone, expected.row(i)) >= SAME, "alone " + texts.get(i));
        assertEquals(1, norm(batched), 1e-6);
        assertEquals(
            embedder.tokenize(texts.get(i)).length > 256, result.truncated().get(i), texts.get(i));
      }
      assertTrue(result.truncated().cardinality() >= 1);
    }
  }

  /** Gate G1: from texts to hits in five lines. */
  @Test
  void textsToHitsInFiveLines() {
    List<String> corpus =
        List.of(
            "a large brown bear with a hump, of western North America",
            "the bread is taken out of the oven when its crust is dark",
            "a central bank sets the rate at which it lends to banks",
            "Mercury is the planet nearest to the sun",
            "he tuned the strings of his guitar before the concert");
    var found = new ArrayList<String>();
    var embedder = Embedder.fromDirectory(Models.miniLm());
    var index = RabitqPlusIndex.build(embedder.embedBatch(corpus), IndexOptions.defaults());
    for (String query : List.of("animals", "baking", "money", "astronomy", "music"))
      for (Hit hit : index.search(embedder.embed(query), 1)) found.add(corpus.get((int) hit.id()));
    assertEquals(corpus, found);
    index.close();
    embedder.close();
  }

  @Test
  void batchesInAnyOrderAndSizeGiveTheMeanOfTheTokens() throws IOException {
    Random random = Seed.random("embedder");
    float[][] table = tinyTable();
    List<String> texts = tinyTexts(random, 5_000);
    try (var embedder = Embedder.fromDirectory(Models.tiny(folder));
        EmbedResult result =
            embedder.embed(EmbedRequest.of(texts).batchSize(1 + random.nextInt(100)))) {
      for (int i = 0; i < texts.size(); i++) {
        int[] tokens = embedder.tokenize(texts.get(i));
        float[] expected = tinyOracle(table, tokens, 16);
        assertArrayEquals(expected, result.vectors().row(i), 1e-5f, texts.get(i));
        assertEquals(tokens.length > 16, result.truncated().get(i));
      }
      assertTrue(result.truncated().cardinality() > 100);
    }
  }

  @Test
  void optionsAndConfiguration() throws IOException {
    float[][] table = tinyTable();
    Models.tiny(folder);
    String text = "a bc dk a bc dk a bc dk a bc dk a bc dk";
    int[] tokens;
    try (var embedder = Embedder.fromDirectory(folder, EmbedOptions.defaults().maxTokens(5))) {
      tokens = embedder.tokenize(text);
      assertArrayEquals(tinyOracle(table, tokens, 5), embedder.embed(text), 1e-5f);
      assertEquals(5, embedder.maxTokens());
    }
    var options = EmbedOptions.defaults().threads(1).normalize(true);
    try (var embedder = Embedder.fromDirectory(folder, options)) {
      float[] mean = tinyOracle(table, tokens, 16);
      assertEquals(1, norm(embedder.embed(text)), 1e-6);
      assertEquals(1, cosine(mean, embedder.embed(text)), 1e-6);
    }
    Models.write(folder, "{\"max_seq_length\": 16}", false, "cls_token");
    try (var embedder = Embedder.fromDirectory(folder)) {
      assertArrayEquals(table[tokens[0]], embedder.embed(text));
    }
    Models.write(folder, "{\"do_lower_case\": true}", true, "mean_tokens");
    try (var embedder = Embedder.fromDirectory(folder, EmbedOptions.defaults().normalize(false))) {
      assertEquals(512, embedder.maxTokens());
      assertArrayEquals(tinyOracle(table, tokens, 512), embedder.embed(text), 1e-5f);
    }
    for (int wrong : new int[] {2, 513}) {
      var refused =
          assertThrows(
              IllegalArgumentException.class,
              () -> Embedder.fromDirectory(folder, EmbedOptions.defaults().maxTokens(wrong)));
      assertEquals("maxTokens is %d, allowed: 3 to 512".formatted(wrong), refused.getMessage());
    }
  }

  @Test
  void promptsGoBeforeTheText() throws IOException {
    float[][] table = tinyTable();
    Models.tiny(folder);
    Path prompts = folder.resolve("config_sentence_transformers.json");
    Files.writeString(prompts, "{\"prompts\": {\"query\": \"c d \", \"document\": \"e \"}}");
    try (var embedder = Embedder.fromDirectory(folder)) {
      assertEquals("c d ", embedder.prompts().get("query"));
      assertArrayEquals(embedder.embed("c d a"), embedder.embedQuery("a"));
      try (EmbedResult result = embedder.embed(EmbedRequest.of(List.of("a")).prompt("document"))) {
        assertArrayEquals(embedder.embed("e a"), result.vectors().row(0));
      }
      var refused =
          assertThrows(
              IllegalArgumentException.class,
              () -> embedder.embed(EmbedRequest.of(List.of("a")).prompt("passage")));
      assertTrue(refused.getMessage().startsWith("prompt is passage, allowed: "));
    }
    Files.writeString(
        prompts, "{\"prompts\": {\"query\": \"c d \"}, \"default_prompt_name\": \"query\"}");
    Files.writeString(
        folder.resolve("1_Pooling/config.json"),
        "{\"pooling_mode_mean_tokens\": true, \"include_prompt\": false}");
    try (var embedder = Embedder.fromDirectory(folder)) {
      int[] tokens = embedder.tokenize("a");
      assertEquals(5, tokens.length);
      int[] pooled = Arrays.copyOfRange(tokens, 3, 5);
      assertArrayEquals(tinyOracle(table, pooled, 2), embedder.embed("a"), 1e-6f);
    }
  }

  @Test
  void collectionsStreamsAndFuturesGiveTheSame() throws Exception {
    List<String> texts = tinyTexts(Seed.random("embedder"), 300);
    try (var embedder = Embedder.fromDirectory(Models.tiny(folder))) {
      Vectors expected = embedder.embedBatch(texts);
      assertEquals(300, expected.rows());
      Vectors streamed = embedder.embedBatch(texts.stream());
      Vectors later = embedder.embedBatchAsync(texts).get(1, TimeUnit.MINUTES);
      var request = EmbedRequest.of(texts);
      try (EmbedResult result = embedder.embedAsync(request).get(1, TimeUnit.MINUTES)) {
        for (int i = 0; i < texts.size(); i++) {
          assertArrayEquals(expected.row(i), streamed.row(i));
          assertArrayEquals(expected.row(i), later.row(i));
          assertArrayEquals(expected.row(i), result.vectors().row(i));
        }
      }
      assertArrayEquals(
          embedder.embed(texts.get(0)), embedder.embedAsync(texts.get(0)).get(1, TimeUnit.MINUTES));
    }
  }

  @Test
  void anIndexTakesTheRowsWithoutACopy() throws IOException {
    List<String> texts = List.of("a", "b", "c");
    try (var embedder = Embedder.fromDirectory(Models.tiny(folder))) {
      Vectors rows = embedder.embedBatch(texts);
      var options = IndexOptions.defaults().originals(Originals.ADOPT);
      try (var index = RabitqPlusIndex.build(rows, options)) {
        SearchResult hits = index.search(embedder.embed("b"), 1);
        assertEquals(1, hits.ids()[0]);
        assertEquals(0, hits.scores()[0]);
        assertThrows(IllegalStateException.class, () -> rows.row(0));
      }
    }
  }

  @Test
  void progressIsTold() throws IOException {
    try (var embedder = Embedder.fromDirectory(Models.tiny(folder))) {
      List<Long> told = new ArrayList<>();
      List<String> texts = tinyTexts(Seed.random("embedder"), 5_000);
      embedder.embed(EmbedRequest.of(texts).batchSize(1_000).onProgress(told::add)).close();
      assertEquals(List.of(1_000L, 2_000L, 3_000L, 4_000L, 4_096L, 5_000L), told);
      var failure =
          assertThrows(
              IllegalStateException.class,
              () ->
                  embedder.embed(
                      EmbedRequest.of(texts)
                          .onProgress(
                              done -> {
                                throw new IllegalStateException("enough");
                              })));
      assertEquals("enough", failure.getMessage());
    }
  }

  @Test
  void aCancelStopsTheBatch() throws Exception {
    try (var embedder = Embedder.fromDirectory(Models.tiny(folder))) {
      var begun = new CountDownLatch(1);
      var cancelled = new CountDownLatch(1);
      var batches = new java.util.concurrent.atomic.AtomicInteger();
      var future =
          embedder.embedAsync(
              EmbedRequest.of(tinyTexts(Seed.random("embedder"), 1_000))
                  .batchSize(1)
                  .onProgress(
                      done -> {
                        batches.incrementAndGet();
                        begun.countDown();
                        try {
                          cancelled.await();
                        } catch (InterruptedException e) {
                          throw new AssertionError(e);
                        }
                      }));
      assertTrue(begun.await(1, TimeUnit.MINUTES), future::toString);
      assertTrue(future.cancel(true));
      cancelled.countDown();
      assertThrows(CancellationException.class, future::join);
      // The thread of the pool is free again: one batch was all.
      embedder.embedAsync("a").get(1, TimeUnit.MINUTES);
      assertEquals(1, batches.get());
    }
  }

  @Test
  void manyThreadsEmbedAndOneCloses() throws Exception {
    List<String> texts = tinyTexts(Seed.random("embedder"), 200);
    var embedder = Embedder.fromDirectory(Models.tiny(folder));
    float[][] expected = texts.stream().map(embedder::embed).toArray(float[][]::new);
    try (var platform = Executors.newFixedThreadPool(4);
        var virtual = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Long>> calls = new ArrayList<>();
      var begun = new CountDownLatch(8);
      for (int t = 0; t < 8; t++) {
        calls.add(
            (t % 2 == 0 ? platform : virtual)
                .submit(
                    () -> {
                      for (long n = 0; ; n++) {
                        int i = (int) (n % texts.size());
                        try {
                          assertArrayEquals(expected[i], embedder.embed(texts.get(i)));
                        } catch (IllegalStateException closed) {
                          assertEquals("Embedder is closed", closed.getMessage());
                          return n;
                        }
                        begun.countDown();
                      }
                    }));
      }
      assertTrue(begun.await(1, TimeUnit.MINUTES));
      embedder.close();
      embedder.close();
      for (Future<Long> call : calls) {
        call.get(1, TimeUnit.MINUTES);
      }
    }
    assertEquals(8, embedder.dimension());
    assertThrows(IllegalStateException.class, () -> embedder.embed("a"));
    assertThrows(IllegalStateException.class, () -> embedder.embedBatch(texts));
    var failure = assertThrows(CompletionException.class, () -> embedder.embedAsync("a").join());
    assertEquals(IllegalStateException.class, failure.getCause().getClass());
  }

  @Test
  void textsThatAreNone() throws IOException {
    try (var embedder = Embedder.fromDirectory(Models.tiny(folder))) {
      var empty =
          assertThrows(IllegalArgumentException.class, () -> embedder.embedBatch(List.of()));
      assertEquals("texts is empty, allowed: 1 text or more", empty.getMessage());
      assertThrows(IllegalArgumentException.class, () -> embedder.embedBatch(Stream.of()));
      var absent =
          assertThrows(
              NullPointerException.class, () -> embedder.embedBatch(Arrays.asList("a", null)));
      assertEquals("text 1", absent.getMessage());
      assertThrows(
          IllegalArgumentException.class, () -> EmbedRequest.of(List.of("a")).batchSize(0));
    }
  }

  @Test
  void withoutAFolder() {
    var refused =
        assertThrows(EmbedException.class, () -> Embedder.fromDirectory(folder.resolve("nowhere")));
    assertEquals(folder.resolve("nowhere") + " is not a folder", refused.getMessage());
  }

  /** Runs in a JVM of its own, without ONNX Runtime on the class path. */
  static final class WithoutRuntime {
    public static void main(String[] args) {
      Path folder = Path.of(args[0]);
      List<Supplier<Embedder>> openings =
          List.of(
              () -> Embedder.fromDirectory(folder),
              () -> {
                // Before anything is looked for in the cache, or downloaded.
                var cache = ModelCache.ofEnvironment().folder(folder).offline(true);
                return Embedder.fromPretrained("all-MiniLM-L6-v2", EmbedOptions.defaults(), cache);
              });
      for (Supplier<Embedder> opening : openings) {
        try {
          opening.get().close();
        } catch (EmbedException e) {
          System.out.println(e.getMessage());
        }
      }
    }
  }

  @Test
  void withoutTheRuntimeTheMessageSaysWhatToAdd() throws Exception {
    String classPath =
        Stream.of(System.getProperty("java.class.path").split(java.io.File.pathSeparator))
            .filter(entry -> !entry.contains("onnxruntime"))
            .reduce((a, b) -> a + java.io.File.pathSeparator + b)
            .orElseThrow();
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                classPath,
                WithoutRuntime.class.getName(),
                Models.tiny(folder).toString())
            .redirectErrorStream(true)
            .start();
    String printed = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), printed);
    assertEquals(2, printed.lines().count(), printed);
    assertTrue(
        printed.lines().allMatch(line -> line.contains("com.microsoft.onnxruntime:onnxruntime")),
        printed);
  }
}
