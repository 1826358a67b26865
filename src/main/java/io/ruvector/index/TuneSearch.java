package io.ruvector.index;

import io.ruvector.index.Tuning.Setting;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Looks for the cheapest settings that are good enough, with few trials. It relies on what holds
 * for every kind: to raise one setting never loses hits, and costs time.
 *
 * <p>For a number of cells the least epsilon that is good enough is found by bisection. More cells
 * let it shrink, so the cost falls first and rises then: the walk ends when it has risen for a
 * while. The cap of exact comparisons is lowered last.
 */
final class TuneSearch {
  /** From what finds hardly more than chance to what loses one hit in a million. */
  private static final float[] EPSILONS = epsilons();

  private static final int[] RERANK_FACTORS = {
    1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 1024
  };

  /** Numbers of cells that are tried beyond the cheapest. */
  private static final int PATIENCE = 4;

  /** Costs so near to each other are measured again, in turns. */
  private static final double CLOSE = 1.15;

  private static final int ROUNDS = 5;

  /** What the default cap may cost more than the best one. */
  private static final double INDIFFERENT = 1.02;

  /**
   * Which settings an index has.
   *
   * @param epsilon whether searches use epsilon
   * @param rerank whether searches use the cap of exact comparisons
   * @param cells how many cells there are; 0: no cells
   * @param defaults the index's own
   */
  record Axes(boolean epsilon, boolean rerank, int cells, Setting defaults) {}

  /** What a setting was measured to do. */
  interface Trial {
    Setting setting();

    double recall();

    /** How far the recall of other queries may fall short. */
    double margin();

    /** The time of a search, in any unit. */
    double cost();
  }

  /** Measures settings. */
  interface Lab<T extends Trial> {
    /** The trial of a setting; a setting that was tried before is not measured again. */
    T trial(Setting setting);

    /** Measures the cost of some trials again, in turns. */
    void again(Collection<T> trials, int rounds);
  }

  /** The time is up: what was found until now has to do. */
  static final class OutOfTime extends RuntimeException {
    private static final long serialVersionUID = 1L;

    OutOfTime() {
      super("out of time", null, false, false);
    }
  }

  private TuneSearch() {}

  private static float[] epsilons() {
    List<Float> values = new ArrayList<>();
    for (double value = .2; value < 5; value *= 1.08) {
      values.add(Math.round(value * 1_000) / 1_000f);
    }
    float[] array = new float[values.size()];
    for (int i = 0; i < array.length; i++) {
      array[i] = values.get(i);
    }
    return array;
  }

  /** Numbers of cells, four to an octave, up to all of them. */
  private static int[] probes(int cells) {
    List<Integer> values = new ArrayList<>();
    for (double value = 1;
        value < cells;
        value = Math.max(value + 1, value * Math.sqrt(Math.sqrt(2)))) {
      values.add((int) value);
    }
    values.add(cells);
    return values.stream().mapToInt(Integer::intValue).toArray();
  }

  /**
   * The cheapest setting that should reach the recall or, where none does, the cheapest of those
   * that find the most.
   *
   * @throws OutOfTime if the time was up in the first trial
   */
  static <T extends Trial> T choose(Lab<T> lab, Axes axes, double recall) {
    return new Run<>(lab, axes, recall).best();
  }

  private static final class Run<T extends Trial> {
    private final Lab<T> lab;
    private final int[] probes;
    private final float[] epsilons;
    private final int[] caps;
    private final Setting defaults;
    private Predicate<T> enough;
    private final Set<T> passed = new HashSet<>();
    private @Nullable T best;

    Run(Lab<T> lab, Axes axes, double recall) {
      this.lab = lab;
      this.defaults = axes.defaults();
      this.probes = axes.cells() > 0 ? probes(axes.cells()) : new int[] {0};
      this.epsilons = axes.epsilon() ? EPSILONS : new float[] {defaults.epsilon()};
      this.caps = axes.rerank() ? RERANK_FACTORS : new int[] {defaults.rerankFactor()};
      this.enough = trial -> trial.recall() >= 1 || trial.recall() - trial.margin() >= recall;
    }

    /** A trial, remembered if it is the best. */
    private boolean passes(Setting setting) {
      T trial = lab.trial(setting);
      boolean passes = enough.test(trial);
      if (passes) {
        passed.add(trial);
      }
      if (best == null
          || (passed.contains(best)
              ? passes && trial.cost() < best.cost()
              : passes || trial.recall() > best.recall())) {
        best = trial;
      }
      return passes;
    }

    T best() {
      try {
        return search();
      } catch (OutOfTime e) {
        T found = best;
        if (found == null) {
          throw e;
        }
        return found;
      }
    }

    private T search() {
      int widest = epsilons.length - 1;
      int cap = caps[caps.length - 1];
      int probe = firstThatPasses(widest, cap);
      if (probe == probes.length) {
        // Out of reach: what finds no less than all there is to set.
        double most = lab.trial(new Setting(epsilons[widest], probes[probe - 1], cap)).recall();
        enough = trial -> trial.recall() >= most;
        probe = firstThatPasses(widest, cap);
      }
      List<T> path = new ArrayList<>();
      double least = Double.POSITIVE_INFINITY;
      int epsilon = widest;
      for (int since = 0; probe < probes.length && since < PATIENCE; probe++) {
        epsilon = leastEpsilon(probes[probe], epsilon, cap);
        T trial = lab.trial(new Setting(epsilons[epsilon], probes[probe], cap));
        path.add(trial);
        since = trial.cost() < least ? 0 : since + 1;
        least = Math.min(least, trial.cost());
      }
      T cheapest = cheapest(path);
      best = cheapest;
      return lowerCap(cheapest);
    }

    /** The first number of cells that is enough with these; all of them where none is. */
    private int firstThatPasses(int epsilon, int cap) {
      int low = 0;
      int high = 0;
      while (!passes(new Setting(epsilons[epsilon], probes[high], cap))) {
        if (high == probes.length - 1) {
          return probes.length;
        }
        low = high + 1;
        // An octave on: the trials of too few cells cost less than the one of enough.
        high = Math.min(probes.length - 1, high + 4);
      }
      while (low < high) {
        int middle = (low + high) / 2;
        if (passes(new Setting(epsilons[epsilon], probes[middle], cap))) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      return high;
    }

    private int leastEpsilon(int nprobe, int enough, int cap) {
      int low = 0;
      int high = enough;
      while (low < high) {
        int middle = (low + high) / 2;
        if (passes(new Setting(epsilons[middle], nprobe, cap))) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      // Recall may dip where hits tie: what was given was enough.
      return passes(new Setting(epsilons[high], nprobe, cap)) ? high : enough;
    }

    private T cheapest(List<T> trials) {
      Comparator<T> byCost = Comparator.comparingDouble(Trial::cost);
      T first = trials.stream().min(byCost).orElseThrow();
      List<T> close =
          trials.stream().filter(trial -> trial.cost() <= CLOSE * first.cost()).toList();
      if (close.size() > 1) {
        lab.again(close, ROUNDS);
      }
      return close.stream().min(byCost).orElseThrow();
    }

    /** The least cap that is enough, or the default one where that costs hardly more. */
    private T lowerCap(T chosen) {
      Setting from = chosen.setting();
      int low = 0;
      int high = caps.length - 1;
      while (low < high) {
        int middle = (low + high) / 2;
        if (passes(new Setting(from.epsilon(), from.nprobe(), caps[middle]))) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      List<T> candidates = new ArrayList<>(List.of(chosen));
      for (int cap : new int[] {caps[high], defaults.rerankFactor()}) {
        var setting = new Setting(from.epsilon(), from.nprobe(), cap);
        if (passes(setting) && !candidates.contains(lab.trial(setting))) {
          candidates.add(lab.trial(setting));
        }
      }
      if (candidates.size() == 1) {
        return chosen;
      }
      lab.again(candidates, ROUNDS);
      T least = candidates.stream().min(Comparator.comparingDouble(Trial::cost)).orElseThrow();
      T last = candidates.get(candidates.size() - 1);
      return last.setting().rerankFactor() == defaults.rerankFactor()
              && last.cost() <= INDIFFERENT * least.cost()
          ? last
          : least;
    }
  }
}
