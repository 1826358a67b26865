package io.ruvector.embed;

import io.ruvector.internal.Checks;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Texts to embed, and how. Immutable: each method that sets something returns another request.
 *
 * {@snippet lang=java :
 * var request = EmbedRequest.of(corpus).batchSize(64).onProgress(System.out::println);
 * try (EmbedResult result = embedder.embed(request)) {
 *   System.out.println(result.truncated().cardinality() + " texts were too long");
 * }
 * }
 */
public final class EmbedRequest {
  private static final int DEFAULT_BATCH = 32;
  private static final int MAX_BATCH = 4_096;

  private final List<String> texts;
  private final @Nullable String prompt;
  private final int batchSize;
  private final LongConsumer progress;

  private EmbedRequest(
      List<String> texts, @Nullable String prompt, int batchSize, LongConsumer progress) {
    this.texts = texts;
    this.prompt = prompt;
    this.batchSize = batchSize;
    this.progress = progress;
  }

  /**
   * A request for these texts, in batches of 32.
   *
   * @param texts one or more, in the order of the rows to come; copied
   * @throws IllegalArgumentException if there are none
   */
  public static EmbedRequest of(Collection<String> texts) {
    List<String> copy = new ArrayList<>(texts);
    if (copy.isEmpty()) {
      throw Checks.illegal("texts", "empty", "1 text or more");
    }
    for (int i = 0; i < copy.size(); i++) {
      int number = i;
      Objects.requireNonNull(copy.get(i), () -> "text " + number);
    }
    return new EmbedRequest(copy, null, DEFAULT_BATCH, done -> {});
  }

  /**
   * A request for the texts of a stream, which is read to its end now.
   *
   * @param texts one or more, in the order of the rows to come
   * @throws IllegalArgumentException if there are none
   */
  public static EmbedRequest of(Stream<String> texts) {
    return of(texts.toList());
  }

  /**
   * This request with a prompt before each text.
   *
   * @param name the name of one of {@link Embedder#prompts()}
   */
  public EmbedRequest prompt(String name) {
    return new EmbedRequest(texts, name, batchSize, progress);
  }

  /**
   * This request in other batches. Texts of a batch are padded to its longest, and texts of like
   * length come into one batch. Larger ones take more memory, and on a CPU gain little.
   *
   * @param batchSize texts in each, 1 to 4,096
   * @throws IllegalArgumentException if {@code batchSize} is out of range
   */
  public EmbedRequest batchSize(int batchSize) {
    Checks.inRange("batchSize", batchSize, 1, MAX_BATCH);
    return new EmbedRequest(texts, prompt, batchSize, progress);
  }

  /**
   * This request with a watcher.
   *
   * @param progress gets the number of texts that are done, after each batch, on the thread that
   *     embeds; what it throws ends the call
   */
  public EmbedRequest onProgress(LongConsumer progress) {
    return new EmbedRequest(texts, prompt, batchSize, progress);
  }

  List<String> texts() {
    return texts;
  }

  @Nullable String prompt() {
    return prompt;
  }

  int batchSize() {
    return batchSize;
  }

  LongConsumer progress() {
    return progress;
  }
}
