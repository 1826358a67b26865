package io.ruvector.embed;

import io.ruvector.index.VectorBuffer;
import io.ruvector.index.Vectors;
import io.ruvector.internal.AsyncCall;
import io.ruvector.internal.Cancellation;
import io.ruvector.internal.SearchPool;
import java.awt.image.BufferedImage;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Makes vectors of texts by a model of sentence-transformers, or of pictures by a classifier up to
 * its pooling, in ONNX Runtime within this process.
 *
 * {@snippet lang=java :
 * try (var embedder = Embedder.fromPretrained("all-MiniLM-L6-v2");
 *     var index = RabitqPlusIndex.build(embedder.embedBatch(corpus), IndexOptions.defaults())) {
 *   for (Hit hit : index.search(embedder.embed("my query"), 10)) {
 *     System.out.println(hit.score() + " " + corpus.get((int) hit.id()));
 *   }
 * }
 * }
 *
 * <p>Needs {@code com.microsoft.onnxruntime:onnxruntime}, which this library does not bring along.
 *
 * <p>Safe for use from many threads; each call has as many threads as the options say, and one text
 * takes milliseconds. On a virtual thread the work is done by a platform thread of the pool that
 * asynchronous calls have too. Whoever opens an embedder closes it: the model's memory, about the
 * size of its file, is freed when the last call inside has returned, and later calls throw {@link
 * IllegalStateException}.
 *
 * <p>A vector depends on its text alone, but for the last bits of its components, which may differ
 * with the other texts of a batch.
 */
public final class Embedder implements AutoCloseable {
  /** Texts whose tokens are in memory at once, to be sorted by their number. */
  private static final int WINDOW = 4_096;

  private static final String QUERY = "query";

  private final @Nullable TextModel texts;
  private final @Nullable ImageModel images;

  private Embedder(@Nullable TextModel texts, @Nullable ImageModel images) {
    this.texts = texts;
    this.images = images;
  }

  /**
   * The model of this name, downloaded at its first use as {@link ModelCache#ofEnvironment} does.
   *
   * @param name one of {@link ModelCache#names}
   * @throws EmbedException if there is no such model, it cannot be had, or ONNX Runtime is missing
   */
  public static Embedder fromPretrained(String name) {
    return fromPretrained(name, EmbedOptions.defaults(), ModelCache.ofEnvironment());
  }

  /**
   * The model of this name, from a cache, downloaded at its first use.
   *
   * @param name one of {@link ModelCache#names}
   * @param options how it runs
   * @param cache where it is, or comes to
   * @throws EmbedException if there is no such model, it cannot be had, or ONNX Runtime is missing
   * @throws IllegalArgumentException if the model cannot take as many tokens as the options say
   */
  public static Embedder fromPretrained(String name, EmbedOptions options, ModelCache cache) {
    Pretrained model = Pretrained.of(name);
    return open(
        () -> {
          OnnxModel.checkRuntime();
          Path folder = cache.resolve(name);
          ConfigFile image = model.image();
          if (image == null) {
            return fromDirectory(folder, options);
          }
          Path file = folder.resolve(model.files().getFirst().path());
          return new Embedder(
              null, ImageModel.open(file, ImagePreprocessor.ofTimm(image), options));
        });
  }

  /**
   * The model of a folder. Of texts: as sentence-transformers writes and publishes them, {@code
   * modules.json}, the files that it names, {@code tokenizer.json} or {@code vocab.txt}, of the
   * BERT family, with pooling by mean or by the first token. Of pictures: a classifier with a
   * global average pooling, and {@code preprocessor_config.json} or timm's {@code config.json}.
   * Either with {@code onnx/model.onnx}, {@code model.onnx} or one other ONNX file.
   *
   * @param folder the model's folder
   * @throws EmbedException if a file is missing or not as expected, or ONNX Runtime is missing
   */
  public static Embedder fromDirectory(Path folder) {
    return fromDirectory(folder, EmbedOptions.defaults());
  }

  /**
   * The model of a folder, as {@link #fromDirectory(Path)} says.
   *
   * @param folder the model's folder
   * @param options how it runs
   * @throws EmbedException if a file is missing or not as expected, or ONNX Runtime is missing
   * @throws IllegalArgumentException if the model cannot take as many tokens as the options say
   */
  public static Embedder fromDirectory(Path folder, EmbedOptions options) {
    return open(
        () -> {
          ImagePreprocessor pictures = ImagePreprocessor.of(folder);
          return pictures == null
              ? new Embedder(TextModel.open(folder, options), null)
              : new Embedder(null, ImageModel.open(OnnxModel.in(folder), pictures, options));
        });
  }

  private static Embedder open(Supplier<Embedder> opening) {
    try {
      return opening.get();
    } catch (LinkageError e) {
      throw new EmbedException(
          ("ONNX Runtime cannot be loaded (%s): add com.microsoft.onnxruntime:onnxruntime to the"
                  + " dependencies, and on the module path run java with --add-modules"
                  + " com.microsoft.onnxruntime")
              .formatted(e),
          e);
    }
  }

  private TextModel texts() {
    if (texts == null) {
      throw new EmbedException("this model embeds pictures, not texts");
    }
    return texts;
  }

  private ImageModel images() {
    if (images == null) {
      throw new EmbedException("this model embeds texts, not pictures");
    }
    return images;
  }

  /** Components of each vector. */
  public int dimension() {
    return texts != null ? texts.dimension() : images().dimension();
  }

  /** How many tokens of a text count, the special ones that begin and end it among them. */
  public int maxTokens() {
    return texts().maxTokens();
  }

  /** The texts that the model's configuration has to go before others, by name. */
  public Map<String, String> prompts() {
    return texts().prompts();
  }

  /**
   * The ids of a text's tokens, with the special ones that begin and end it. If they are more than
   * {@link #maxTokens()}, the vector is only of the beginning of the text.
   *
   * @param text any text
   */
  public int[] tokenize(String text) {
    return texts().tokenize(texts().prompt(null), text);
  }

  /**
   * The vector of a text.
   *
   * @param text any text; of more than {@link #maxTokens()} tokens the first count
   * @throws EmbedException if the model cannot be run
   * @throws IllegalStateException if this is closed
   */
  public float[] embed(String text) {
    return embed(texts().prompt(null), text);
  }

  /**
   * The vector of a text to search by, with the prompt that the model has for those, if any.
   *
   * @param text any text; of more than {@link #maxTokens()} tokens the first count
   * @throws EmbedException if the model cannot be run
   * @throws IllegalStateException if this is closed
   */
  public float[] embedQuery(String text) {
    return embed(texts().prompt(prompts().containsKey(QUERY) ? QUERY : null), text);
  }

  private float[] embed(String prompt, String text) {
    int[][] batch = {texts().truncate(texts().tokenize(prompt, text))};
    float[] vector = new float[texts().dimension()];
    run(batch, texts().unpooled(prompt), MemorySegment.ofArray(vector), new int[] {0});
    return vector;
  }

  /** Runs a batch on a platform thread. */
  private void run(int[][] batch, int unpooled, MemorySegment rows, int[] numbers) {
    var _ =
        SearchPool.call(
            () -> {
              texts().embed(batch, unpooled, rows, numbers);
              return batch;
            });
  }

  /**
   * The vectors of texts, in off-heap memory that is freed once the view is garbage, and that an
   * index built with {@link io.ruvector.index.Originals#ADOPT} takes over without a copy.
   *
   * @param texts one or more; the vectors are in their order
   * @throws IllegalArgumentException if there are none
   * @throws EmbedException if the model cannot be run
   * @throws IllegalStateException if this is closed
   */
  public Vectors embedBatch(Collection<String> texts) {
    return embed(EmbedRequest.of(texts)).vectors();
  }

  /**
   * The vectors of the texts of a stream, as {@link #embedBatch(Collection)} gives them. The texts
   * are read first: for more than memory holds, embed a part at a time.
   *
   * @param texts one or more; the vectors are in their order
   * @throws IllegalArgumentException if there are none
   * @throws EmbedException if the model cannot be run
   * @throws IllegalStateException if this is closed
   */
  public Vectors embedBatch(Stream<String> texts) {
    return embed(EmbedRequest.of(texts)).vectors();
  }

  /**
   * The vectors of texts, with what was too long.
   *
   * @param request the texts, and how
   * @throws IllegalArgumentException if the model has no prompt of the request's name
   * @throws EmbedException if the model cannot be run
   * @throws IllegalStateException if this is closed
   */
  public EmbedResult embed(EmbedRequest request) {
    return embed(request, null);
  }

  private EmbedResult embed(EmbedRequest request, @Nullable Cancellation cancellation) {
    TextModel model = texts();
    List<String> texts = request.texts();
    String prompt = model.prompt(request.prompt());
    int unpooled = model.unpooled(prompt);
    var truncated = new BitSet();
    var buffer = VectorBuffer.allocate(texts.size(), model.dimension());
    try {
      MemorySegment rows = buffer.segment();
      for (int from = 0; from < texts.size(); from += WINDOW) {
        int to = Math.min(from + WINDOW, texts.size());
        Text[] window = new Text[to - from];
        for (int row = from; row < to; row++) {
          int[] tokens = model.tokenize(prompt, texts.get(row));
          truncated.set(row, tokens.length > model.maxTokens());
          window[row - from] = new Text(row, model.truncate(tokens));
        }
        // The longest first: the memory that the runtime takes for them serves all others.
        Arrays.sort(window, Comparator.comparingInt((Text text) -> -text.tokens.length));
        for (int start = 0; start < window.length; start += request.batchSize()) {
          if (cancellation != null && cancellation.isStopped()) {
            throw new CancellationException("embedding was cancelled");
          }
          Text[] batch =
              Arrays.copyOfRange(
                  window, start, Math.min(start + request.batchSize(), window.length));
          run(
              Arrays.stream(batch).map(Text::tokens).toArray(int[][]::new),
              unpooled,
              rows,
              Arrays.stream(batch).mapToInt(Text::row).toArray());
          request.progress().accept(from + start + batch.length);
        }
      }
      return new EmbedResult(buffer, truncated);
    } catch (Throwable t) {
      buffer.close();
      throw t;
    }
  }

  private record Text(int row, int[] tokens) {}

  /**
   * The vector of a text, computed on another thread.
   *
   * @param text any text; of more than {@link #maxTokens()} tokens the first count
   * @return a future, which may end as {@link #embed(String)} can, or by a cancel
   * @throws java.util.concurrent.RejectedExecutionException if too many calls are waiting
   */
  public CompletableFuture<float[]> embedAsync(String text) {
    return AsyncCall.submit((cancellation, nanosLeft) -> embed(text), 0);
  }

  /**
   * The vectors of texts, computed on another thread, which they keep busy until they are done.
   *
   * @param texts one or more; the vectors are in their order
   * @return a future, which may end as {@link #embedBatch(Collection)} can; a cancel stops the work
   *     after the batch at hand
   * @throws IllegalArgumentException if there are no texts
   * @throws java.util.concurrent.RejectedExecutionException if too many calls are waiting
   */
  public CompletableFuture<Vectors> embedBatchAsync(Collection<String> texts) {
    var request = EmbedRequest.of(texts);
    return AsyncCall.submit((cancellation, left) -> embed(request, cancellation).vectors(), 0);
  }

  /**
   * The vectors of texts with what was too long, computed on another thread.
   *
   * @param request the texts, and how; the watcher is called on that thread
   * @return a future, which may end as {@link #embed(EmbedRequest)} can; a cancel stops the work
   *     after the batch at hand
   * @throws java.util.concurrent.RejectedExecutionException if too many calls are waiting
   */
  public CompletableFuture<EmbedResult> embedAsync(EmbedRequest request) {
    return AsyncCall.submit((cancellation, left) -> embed(request, cancellation), 0);
  }

  /**
   * The vector of a picture.
   *
   * @param width pixels in a row
   * @param height rows
   * @param rgb rows of pixels of three bytes: red, green, blue
   * @throws IllegalArgumentException if the array has another length
   * @throws EmbedException if this model embeds texts, or cannot be run
   * @throws IllegalStateException if this is closed
   */
  public float[] embedImage(int width, int height, byte[] rgb) {
    return embed(new ImagePixels(width, height, rgb));
  }

  /**
   * The vector of a picture, of whose alpha and colour profile nothing is taken. Needs the module
   * {@code java.desktop}.
   *
   * @param image a picture in any layout
   * @throws EmbedException if this model embeds texts, or cannot be run
   * @throws IllegalStateException if this is closed
   */
  public float[] embedImage(BufferedImage image) {
    return embed(BufferedImages.pixels(image));
  }

  /**
   * The vector of the picture in a file that this Java can read, such as PNG or JPEG. Needs the
   * module {@code java.desktop}.
   *
   * @param file the picture's file
   * @throws EmbedException if it cannot be read, this model embeds texts, or cannot be run
   * @throws IllegalStateException if this is closed
   */
  public float[] embedImage(Path file) {
    return embed(BufferedImages.read(file));
  }

  private float[] embed(ImagePixels pixels) {
    ImageModel model = images();
    return SearchPool.call(() -> model.embed(pixels));
  }

  /**
   * The vector of the picture in a file, computed on another thread.
   *
   * @param file the picture's file
   * @return a future, which may end as {@link #embedImage(Path)} can, or by a cancel
   * @throws java.util.concurrent.RejectedExecutionException if too many calls are waiting
   */
  public CompletableFuture<float[]> embedImageAsync(Path file) {
    return AsyncCall.submit((cancellation, nanosLeft) -> embedImage(file), 0);
  }

  /** Frees the model, now or when the last call inside has returned. Never throws, never waits. */
  @Override
  public void close() {
    if (texts != null) {
      texts.close();
    }
    if (images != null) {
      images.close();
    }
  }
}
