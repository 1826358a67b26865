package io.ruvector.internal;

import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Frees what was busy when it was closed. Its thread lives only while there is such a thing. */
final class Reaper {
  private static final Logger LOG = LoggerFactory.getLogger(Reaper.class);
  private static final long MAX_PAUSE_MILLIS = 64;
  private static final List<NativeHandle.Lifetime> BUSY = new ArrayList<>();
  private static boolean running;

  private Reaper() {}

  static void add(NativeHandle.Lifetime lifetime) {
    synchronized (BUSY) {
      BUSY.add(lifetime);
      if (!running) {
        start();
      }
    }
  }

  private static void start() {
    var thread = new Thread(null, Reaper::run, "ruvector-reaper", 0, false);
    thread.setDaemon(true);
    thread.setContextClassLoader(null);
    try {
      thread.start();
      running = true;
    } catch (OutOfMemoryError e) {
      // close() never throws; the next busy handle starts the thread for both.
      LOG.debug("no thread for the reaper", e);
    }
  }

  private static void run() {
    long pause = 1;
    while (true) {
      synchronized (BUSY) {
        BUSY.removeIf(NativeHandle.Lifetime::tryFree);
        if (BUSY.isEmpty()) {
          running = false;
          return;
        }
      }
      try {
        Thread.sleep(pause);
      } catch (InterruptedException e) {
        LOG.debug("nobody has a reason to interrupt the reaper", e);
      }
      pause = Math.min(2 * pause, MAX_PAUSE_MILLIS);
    }
  }
}
