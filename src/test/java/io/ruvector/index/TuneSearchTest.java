package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.index.Tuning.Setting;
import io.ruvector.oracle.Seed;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The choice among settings of indexes that are formulas. */
class TuneSearchTest {
  private static final Setting DEFAULTS = new Setting(1.9f, 0, 20);
  private static final TuneSearch.Axes ALL = new TuneSearch.Axes(true, true, 2_000, DEFAULTS);

  private record Result(Setting setting, double recall, double margin, double cost)
      implements TuneSearch.Trial {}

  /** Recall and cost grow with each setting; every one of them can be what limits the recall. */
  private static final class Formula implements TuneSearch.Lab<Result> {
    private final double spread;
    private final double sharpness;
    private final double survivors;
    private final double most;
    private final double margin;
    private final int patience;
    private final Map<Setting, Result> trials = new HashMap<>();

    Formula(Random random, double most, double margin, int patience) {
      this.spread = Math.exp(1 + 4 * random.nextDouble());
      this.sharpness = .7 + random.nextDouble();
      this.survivors = 5 + 200 * random.nextDouble();
      this.most = most;
      this.margin = margin;
      this.patience = patience;
    }

    Result result(Setting setting) {
      double cells = setting.nprobe() == 0 ? 1 : 1 - Math.exp(-setting.nprobe() / spread);
      double bound = 1 - Math.exp(-1.2 - 2 * sharpness * setting.epsilon());
      double rows = survivors * Math.exp(setting.epsilon());
      double cap = 1 - Math.exp(-3.0 * setting.rerankFactor());
      double cost =
          10
              + Math.max(1, setting.nprobe())
              + .05 * rows
              + .03 * Math.min(rows, setting.rerankFactor());
      return new Result(setting, most * cells * bound * cap, margin, cost);
    }

    @Override
    public Result trial(Setting setting) {
      if (!trials.containsKey(setting) && trials.size() == patience) {
        throw new TuneSearch.OutOfTime();
      }
      return trials.computeIfAbsent(setting, this::result);
    }

    @Override
    public void again(Collection<Result> trials, int rounds) {}

    /** The least cost of all settings, on a grid finer than any that a search could walk. */
    double leastCost(int cells, double recall) {
      double least = Double.POSITIVE_INFINITY;
      for (int nprobe = Math.min(1, cells); nprobe <= cells; nprobe += 1 + nprobe / 64) {
        for (float epsilon = .2f; epsilon < 5; epsilon += .05f) {
          for (int cap = 1; cap <= 1_024; cap *= 2) {
            Result result = result(new Setting(epsilon, nprobe, cap));
            if (result.recall() - result.margin() >= recall) {
              least = Math.min(least, result.cost());
            }
          }
        }
      }
      return least;
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {.5, .9, .95, .99})
  void findsTheCheapestWithFewTrials(double recall) {
    Random random = Seed.random("findsTheCheapest" + recall);
    for (int i = 0; i < 5; i++) {
      var formula = new Formula(random, 1, .003, Integer.MAX_VALUE);
      Result chosen = TuneSearch.choose(formula, ALL, recall);
      assertTrue(chosen.recall() - chosen.margin() >= recall, chosen.toString());
      double least = formula.leastCost(ALL.cells(), recall);
      assertTrue(chosen.cost() <= 1.2 * least, chosen + ", possible " + least);
      assertTrue(formula.trials.size() <= 120, formula.trials.size() + " trials");
    }
  }

  @Test
  void withoutCellsEpsilonAlone() {
    var formula = new Formula(Seed.random("withoutCells"), 1, 0, Integer.MAX_VALUE);
    var axes = new TuneSearch.Axes(true, false, 0, DEFAULTS);
    Result chosen = TuneSearch.choose(formula, axes, .95);
    assertEquals(0, chosen.setting().nprobe());
    assertEquals(20, chosen.setting().rerankFactor());
    assertTrue(chosen.recall() >= .95 && chosen.setting().epsilon() < 4, chosen.toString());
    assertTrue(formula.trials.size() <= 10, formula.trials.size() + " trials");
  }

  @Test
  void withoutSettingsThereIsNoChoice() {
    var formula = new Formula(Seed.random("withoutSettings"), 1, 0, 1);
    var axes = new TuneSearch.Axes(false, false, 0, DEFAULTS);
    assertEquals(DEFAULTS, TuneSearch.choose(formula, axes, .5).setting());
  }

  /** Where the recall is out of reach, all is found that can be, as cheaply as it can be. */
  @Test
  void outOfReach() {
    var formula = new Formula(Seed.random("outOfReach"), .8, 0, Integer.MAX_VALUE);
    Result chosen = TuneSearch.choose(formula, ALL, .95);
    Result widest = formula.result(new Setting(4.9f, 2_000, 1_024));
    assertTrue(chosen.recall() >= .999 * widest.recall(), chosen.toString());
  }

  /** When time is up, the best until then is the answer. */
  @Test
  void outOfTime() {
    Random random = Seed.random("outOfTime");
    double before = Double.POSITIVE_INFINITY;
    long seed = random.nextLong();
    for (int patience = 1; patience < 60; patience++) {
      var formula = new Formula(new Random(seed), 1, 0, patience);
      Result chosen = TuneSearch.choose(formula, ALL, .95);
      boolean any = formula.trials.values().stream().anyMatch(t -> t.recall() >= .95);
      assertEquals(any, chosen.recall() >= .95, chosen.toString());
      if (any) {
        // The default cap may cost a little more than the least.
        assertTrue(chosen.cost() <= 1.03 * before, chosen + " after " + before);
        before = Math.min(before, chosen.cost());
      }
    }
    var none = new Formula(random, 1, 0, 0);
    assertThrows(TuneSearch.OutOfTime.class, () -> TuneSearch.choose(none, ALL, .95));
  }
}
