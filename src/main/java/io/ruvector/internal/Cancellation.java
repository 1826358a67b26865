package io.ruvector.internal;

import java.lang.foreign.ValueLayout;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/** Stops one native call from another thread, before it begins or while it runs. */
public final class Cancellation {
  private boolean stopped;
  private @Nullable Scratch running;

  /**
   * What an interrupt becomes of a thread that waits, whose flag is set again.
   *
   * @param where what it waited for
   */
  public static CancellationException interrupted(Object where, Exception interrupt) {
    Thread.currentThread().interrupt();
    var cancelled = new CancellationException("interrupted in " + where);
    cancelled.initCause(interrupt);
    return cancelled;
  }

  /** Stops the call: one that has ended is not touched, nor is the next user of its memory. */
  public synchronized void stop() {
    stopped = true;
    if (running != null) {
      running.cancel.set(ValueLayout.JAVA_INT, 0, 1);
    }
  }

  /** For calls that look by themselves whether to go on. */
  public synchronized boolean isStopped() {
    return stopped;
  }

  /** The call begins, with its flag in this scratch; it ends at once if it was stopped before. */
  synchronized void begin(Scratch scratch) {
    scratch.cancel.set(ValueLayout.JAVA_INT, 0, stopped ? 1 : 0);
    running = scratch;
  }

  synchronized void end() {
    running = null;
  }
}
