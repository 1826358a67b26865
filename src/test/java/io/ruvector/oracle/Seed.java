package io.ruvector.oracle;

import java.util.Random;

/** Random numbers that a failure can be repeated with: {@code -Dtests.seed=} what was printed. */
public final class Seed {
  private static final long SEED = choose();

  private Seed() {}

  private static long choose() {
    String given = System.getProperty("tests.seed", "");
    long seed = given.isEmpty() ? System.nanoTime() : Long.parseLong(given);
    System.out.println("tests.seed=" + seed);
    return seed;
  }

  /** Numbers for one test: the same for the same seed, whichever tests run before it. */
  public static Random random(String test) {
    return new Random(SEED ^ test.hashCode() * 0x9E3779B97F4A7C15L);
  }
}
