package io.ruvector.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** A line on the terminal that tells how far some work has come; closing it wipes it out. */
final class Progress implements AutoCloseable {
  private static final long FIRST_MILLIS = 500;
  private static final long NEXT_MILLIS = 100;
  private static final int BAR = 30;

  private final PrintWriter err;
  private final String work;
  private final long total;
  private final AtomicLong done = new AtomicLong();
  private final long start = System.nanoTime();
  private @Nullable Thread ticker;

  private Progress(PrintWriter err, String work, long total) {
    this.err = err;
    this.work = work;
    this.total = total;
  }

  /**
   * Nothing is shown for short work, or where stderr is not a terminal.
   *
   * @param total steps that the work has; 0: unknown
   */
  static Progress start(PrintWriter err, String work, long total) {
    var progress = new Progress(err, work, total);
    if (CLibrary.stderrIsTerminal()) {
      progress.ticker = Thread.ofPlatform().daemon().name("progress").start(progress::tick);
    }
    return progress;
  }

  void step(long steps) {
    done.addAndGet(steps);
  }

  /** So many steps are done in all. */
  void reach(long steps) {
    done.set(steps);
  }

  private void tick() {
    boolean shown = false;
    try {
      Thread.sleep(FIRST_MILLIS);
      while (true) {
        shown = true;
        err.print("\r" + line());
        err.flush();
        Thread.sleep(NEXT_MILLIS);
      }
    } catch (InterruptedException e) {
      if (shown) {
        err.print("\r" + " ".repeat(line().length()) + "\r");
        err.flush();
      }
    }
  }

  String line() {
    double seconds = (System.nanoTime() - start) / 1e9;
    if (total == 0) {
      return String.format(Locale.ROOT, "%s %.1f s", work, seconds);
    }
    double part = Math.min(1, (double) done.get() / total);
    int filled = (int) (part * BAR);
    return String.format(
        Locale.ROOT,
        "%s [%s%s] %3.0f%% %.1f s",
        work,
        "#".repeat(filled),
        ".".repeat(BAR - filled),
        part * 100,
        seconds);
  }

  @Override
  public void close() {
    Thread thread = ticker;
    if (thread != null) {
      thread.interrupt();
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
