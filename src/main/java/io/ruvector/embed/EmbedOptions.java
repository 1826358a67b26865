package io.ruvector.embed;

import io.ruvector.internal.Checks;
import org.jspecify.annotations.Nullable;

/**
 * How a model runs; fixed for its life. Immutable: each method that sets something returns other
 * options.
 *
 * @param threads how many threads compute one call, 1 to 1,024, or 0 for one on each core
 * @param maxTokens how many tokens of a text count, the special ones among them, up to what the
 *     model can take, or 0 for the model's own number
 * @param normalize whether vectors are made as long as 1, or null for what the model's
 *     configuration says
 */
public record EmbedOptions(int threads, int maxTokens, @Nullable Boolean normalize) {
  private static final int MAX_THREADS = 1_024;
  private static final EmbedOptions DEFAULTS = new EmbedOptions(0, 0, null);

  /**
   * Options, each checked; what a model can take is checked when it is opened.
   *
   * @throws IllegalArgumentException if a number is out of its range
   */
  public EmbedOptions {
    Checks.inRange("threads", threads, 0, MAX_THREADS);
    Checks.inRange("maxTokens", maxTokens, 0, Integer.MAX_VALUE);
  }

  /** A thread on each core, and all else as the model says. */
  public static EmbedOptions defaults() {
    return DEFAULTS;
  }

  /**
   * These options with another number of threads.
   *
   * @param threads how many compute one call, 1 to 1,024, or 0 for one on each core
   * @throws IllegalArgumentException if {@code threads} is out of range
   */
  public EmbedOptions threads(int threads) {
    return new EmbedOptions(threads, maxTokens, normalize);
  }

  /**
   * These options with another limit of tokens.
   *
   * @param maxTokens how many tokens of a text count, or 0 for the model's own number
   * @throws IllegalArgumentException if {@code maxTokens} is negative
   */
  public EmbedOptions maxTokens(int maxTokens) {
    return new EmbedOptions(threads, maxTokens, normalize);
  }

  /**
   * These options with vectors as long as 1, or as the model's pooling leaves them.
   *
   * @param normalize whether they are made as long as 1
   */
  public EmbedOptions normalize(boolean normalize) {
    return new EmbedOptions(threads, maxTokens, normalize);
  }

  int effectiveThreads() {
    return threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
  }
}
