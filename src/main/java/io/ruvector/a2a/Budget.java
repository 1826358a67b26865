package io.ruvector.a2a;

import io.ruvector.internal.Checks;
import java.time.Duration;
import java.util.ArrayDeque;

/**
 * How many tasks may be sent in a time: shared by as many clients as are given it.
 *
 * <p>Safe for use from many threads.
 */
public final class Budget {
  private final int maxTasks;
  private final Duration window;
  private final long windowNanos;
  private final ArrayDeque<Long> sent = new ArrayDeque<>();

  private Budget(int maxTasks, Duration window) {
    this.maxTasks = Checks.inRange("maxTasks", maxTasks, 0, Integer.MAX_VALUE);
    this.window = window;
    this.windowNanos = Checks.positiveNanos("window", window);
  }

  /**
   * So many tasks in every stretch of time of a length.
   *
   * @param maxTasks how many
   * @param window the length
   * @throws IllegalArgumentException if one of them is negative, or the length zero
   */
  public static Budget of(int maxTasks, Duration window) {
    return new Budget(maxTasks, window);
  }

  /** Takes one task out of it. */
  void take() {
    take(System.nanoTime());
  }

  synchronized void take(long now) {
    while (!sent.isEmpty() && now - sent.peekFirst() >= windowNanos) {
      sent.removeFirst();
    }
    if (sent.size() >= maxTasks) {
      throw new BudgetExceededException(
          "%d tasks were sent within %s, allowed: up to %d"
              .formatted(sent.size(), window, maxTasks));
    }
    sent.addLast(now);
  }
}
