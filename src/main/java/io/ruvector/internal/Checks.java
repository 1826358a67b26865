package io.ruvector.internal;

import java.lang.foreign.MemorySegment;
import java.time.Duration;

/** Checks of arguments: the message is the argument's name, its value and what is allowed. */
public final class Checks {
  /** The most components that a vector can have. */
  public static final int MAX_DIM = 8_192;

  /** A thread that never runs: what it cannot access is confined to another one. */
  private static final Thread STRANGER = new Thread("ruvector-stranger");

  private Checks() {}

  public static IllegalArgumentException illegal(String name, Object value, String allowed) {
    return new IllegalArgumentException("%s is %s, allowed: %s".formatted(name, value, allowed));
  }

  public static int inRange(String name, int value, int least, int most) {
    if (value < least || value > most) {
      throw illegal(name, value, "%d to %d".formatted(least, most));
    }
    return value;
  }

  public static float inRange(String name, float value, float least, float most) {
    if (!(value >= least && value <= most)) {
      throw illegal(name, value, "%s to %s".formatted(least, most));
    }
    return value;
  }

  public static int dim(int dim) {
    return inRange("dim", dim, 1, MAX_DIM);
  }

  /** Refuses what native code cannot read in place: heap memory and misaligned addresses. */
  public static void nativeMemory(String name, MemorySegment segment, int alignment) {
    if (!segment.isNative()) {
      throw illegal(name, "in heap memory", "off-heap memory, or a heap array by copyOf");
    }
    if (segment.address() % alignment != 0) {
      throw illegal(
          name,
          "at address 0x%x".formatted(segment.address()),
          "addresses that are multiples of %d".formatted(alignment));
    }
  }

  /** Refuses memory that has been freed, or that belongs to another thread. */
  public static void accessible(String name, MemorySegment segment) {
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException("%s lies in memory that is closed".formatted(name));
    }
    if (!segment.isAccessibleBy(Thread.currentThread())) {
      throw new WrongThreadException("%s is confined to another thread".formatted(name));
    }
  }

  /** Whether only one thread may access the memory. */
  static boolean isConfined(MemorySegment segment) {
    return !segment.isAccessibleBy(STRANGER);
  }

  /** Refuses memory that only one thread may access, for a call that runs on another one. */
  public static void shareable(String name, MemorySegment segment) {
    if (isConfined(segment)) {
      throw illegal(
          name,
          "confined to one thread",
          "memory of a shared, automatic or global arena in an asynchronous call");
    }
  }

  /** As many nanoseconds as a long holds, where there are more. */
  public static long nanos(Duration duration) {
    try {
      return duration.toNanos();
    } catch (ArithmeticException e) {
      return Long.MAX_VALUE;
    }
  }

  /** The same for a limit of time, which zero is not. */
  public static long positiveNanos(String name, Duration limit) {
    if (limit.isZero() || limit.isNegative()) {
      throw illegal(name, limit, "more than zero");
    }
    return nanos(limit);
  }
}
