package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.Seed;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecallEstimateTest {
  private static final int K = 10;
  private static final int QUERIES = 200;
  private static final int SAMPLES = 4_000;

  /** Queries differ in how hard they are, so hits of one query are not independent. */
  private static double[] recalls(Random random, double mean) {
    double[] recalls = new double[QUERIES];
    for (int i = 0; i < QUERIES; i++) {
      // One query in three is hard: it takes all the misses.
      double found = i % 3 == 0 ? 1 - 3 * (1 - mean) : 1;
      int hits = 0;
      for (int j = 0; j < K; j++) {
        hits += random.nextDouble() < found ? 1 : 0;
      }
      recalls[i] = (double) hits / K;
    }
    return recalls;
  }

  @ParameterizedTest
  @ValueSource(doubles = {.7, .9, .95, .99, .999})
  void intervalAndMarginHoldAsOftenAsTheySay(double mean) {
    Random random = Seed.random("interval" + mean);
    int inside = 0;
    int kept = 0;
    for (int i = 0; i < SAMPLES; i++) {
      var one = RecallEstimate.of(recalls(random, mean), K);
      var other = RecallEstimate.of(recalls(random, mean), K);
      inside += one.low() <= mean && mean <= one.high() ? 1 : 0;
      kept += other.mean() >= one.mean() - one.margin(QUERIES) ? 1 : 0;
    }
    assertTrue(inside >= .92 * SAMPLES, inside + " inside of " + SAMPLES);
    assertTrue(kept >= .92 * SAMPLES, kept + " kept of " + SAMPLES);
  }

  @Test
  void edges() {
    double[] all = new double[100];
    Arrays.fill(all, 1);
    var perfect = RecallEstimate.of(all, K);
    assertEquals(1, perfect.mean());
    assertEquals(1, perfect.high());
    assertTrue(perfect.low() > .99 && perfect.low() < 1, perfect.toString());
    assertTrue(perfect.margin(100) > 0 && perfect.margin(100) < .01, perfect.toString());
    for (int k : new int[] {1, K}) {
      var nothing = RecallEstimate.of(new double[100], k);
      assertEquals(0, nothing.mean());
      assertEquals(0, nothing.low());
      assertTrue(nothing.high() > 0 && nothing.high() < .1, nothing.toString());
    }
  }
}
