package io.ruvector.internal;

/** The way of the tests to the native function that panics on request. */
public final class Panics {
  private Panics() {}

  public static void panic(NativeIndex index, boolean mutation) {
    index.panic(mutation);
  }
}
