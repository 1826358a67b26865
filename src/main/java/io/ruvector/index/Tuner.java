package io.ruvector.index;

import io.ruvector.DeadlineExceededException;
import io.ruvector.index.Tuning.Point;
import io.ruvector.index.Tuning.Setting;
import io.ruvector.internal.Checks;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Measures settings of one index: on one half of the queries to choose, on the other to judge. */
final class Tuner implements TuneSearch.Lab<Tuner.Trial> {
  /** More queries than this make the answer late, and hardly better. */
  private static final int MAX_QUERIES = 1_000;

  /** Judging begins after this part of the time at the latest. */
  private static final double CHOOSING = .8;

  /** Warming up, and each pass of judging, takes this long or so many searches. */
  private static final long WARM_UP_NANOS = 500_000_000;

  private static final int WARM_UP_SEARCHES = 5_000;
  private static final int JUDGE_PASSES = 5;
  private static final long JUDGE_NANOS = 300_000_000;
  private static final int JUDGE_SEARCHES = 4_000;

  /** A trial takes this long, or so many passes. */
  private static final long TRIAL_NANOS = 40_000_000;

  private static final int TRIAL_PASSES = 3;

  private final VectorIndex index;
  private final IndexInfo info;
  private final TuneRequest request;
  private final long start = System.nanoTime();
  private final long duration;
  private final int k;

  /** Those that choose, and then those that judge. */
  private final float[][] queries;

  private final int choosing;
  private final TrueNeighbours truth;
  private final long[] ids;
  private final float[] scores;
  private final Map<Setting, Trial> trials = new LinkedHashMap<>();

  Tuner(VectorIndex index, TuneRequest request) {
    this.index = index;
    this.request = request;
    this.duration = SearchRequest.nanos(request.maxDuration());
    this.info = index.info();
    Vectors all = request.queries();
    if (info.size() == 0) {
      throw new EmptyIndexException("the index to tune has no rows");
    }
    if (all.dim() != info.dim()) {
      throw new DimensionMismatchException(info.dim(), all.dim());
    }
    this.k = (int) Math.min(request.template().k(), info.size());
    this.ids = new long[k];
    this.scores = new float[k];
    int count = (int) Math.min(MAX_QUERIES, all.rows());
    // Every second one judges, so that both halves are alike where the queries drift.
    this.choosing = (count + 1) / 2;
    long[] rows = new long[count];
    for (int i = 0; i < count; i++) {
      rows[i % 2 == 0 ? i / 2 : choosing + i / 2] = i * all.rows() / count;
    }
    this.queries = Arrays.stream(rows).mapToObj(all::row).toArray(float[][]::new);
    this.truth = truth(rows);
  }

  private TrueNeighbours truth(long[] rows) {
    long[] given = request.trueIds();
    if (given != null) {
      int width = (int) (given.length / request.queries().rows());
      Stream<long[]> ofEach =
          Arrays.stream(rows)
              .mapToObj(
                  row -> Arrays.copyOfRange(given, (int) row * width, (int) (row + 1) * width));
      return TrueNeighbours.given(index, queries, k, ofEach.toArray(long[][]::new));
    }
    if (info.originals() != Originals.NONE && index instanceof KeepsOriginals) {
      return TrueNeighbours.scan(index, queries, request.template().k(k), end(1));
    }
    throw Checks.illegal(
        "truth", "not given", "the true neighbours, for an index without originals");
  }

  /** When this part of the time will have passed. */
  private long end(double part) {
    return start + (long) (part * duration);
  }

  Tuning tune() {
    try {
      warmUp();
      Trial chosen = TuneSearch.choose(this, axes(), request.recall());
      Point best = judge(chosen.setting());
      List<Point> curve =
          trials.values().stream()
              .map(Trial::point)
              .sorted(Comparator.comparingDouble(Point::recall))
              .toList();
      return new Tuning(best.recall() >= request.recall(), best, curve);
    } catch (TuneSearch.OutOfTime e) {
      throw new DeadlineExceededException(
          "%s is too short to try and to judge one setting with %d queries"
              .formatted(request.maxDuration(), queries.length));
    }
  }

  private TuneSearch.Axes axes() {
    boolean originals = info.originals() != Originals.NONE;
    boolean coded = info.bits() > 0;
    return new TuneSearch.Axes(
        // Estimates from one bit are final where nothing follows them.
        coded && (originals || info.bits() > 1),
        coded && originals,
        info.cells(),
        new Setting(info.epsilon(), 0, info.rerankFactor()));
  }

  private void warmUp() {
    long end = Math.min(System.nanoTime() + WARM_UP_NANOS, end(CHOOSING));
    for (int i = 0; i < WARM_UP_SEARCHES && System.nanoTime() < end; i++) {
      index.search(request.template().k(k).query(queries[i % choosing]), ids, scores);
    }
  }

  @Override
  public Trial trial(Setting setting) {
    Trial known = trials.get(setting);
    if (known != null) {
      return known;
    }
    long began = System.nanoTime();
    long end = end(CHOOSING);
    var trial = new Trial(setting, 0, choosing, end);
    for (int i = 1; i < TRIAL_PASSES && System.nanoTime() - began < TRIAL_NANOS; i++) {
      trial.pass(end);
    }
    trials.put(setting, trial);
    return trial;
  }

  @Override
  public void again(Collection<Trial> trials, int rounds) {
    for (int round = 0; round < rounds; round++) {
      for (Trial trial : trials) {
        trial.pass(end(CHOOSING));
      }
    }
  }

  private Point judge(Setting setting) {
    var trial = new Trial(setting, choosing, queries.length, end(1));
    try {
      for (int pass = 0; pass < JUDGE_PASSES; pass++) {
        trial.pass(JUDGE_NANOS, JUDGE_SEARCHES, end(1));
      }
    } catch (TuneSearch.OutOfTime e) {
      // The passes until now have to do.
    }
    return trial.point();
  }

  /** One setting on some of the queries. */
  final class Trial implements TuneSearch.Trial {
    private final Setting setting;
    private final SearchRequest[] requests;
    private final RecallEstimate estimate;
    private final List<Double> passes = new ArrayList<>();
    private long[] times = new long[1 << 10];
    private int count;

    /** Searches for each of the queries in a range, and sees what is found. */
    Trial(Setting setting, int from, int to, long end) {
      this.setting = setting;
      SearchRequest template = setting.apply(request.template().k(k));
      this.requests =
          IntStream.range(from, to)
              .mapToObj(query -> template.query(queries[query]))
              .toArray(SearchRequest[]::new);
      double[] recalls = new double[requests.length];
      long sum = 0;
      for (int i = 0; i < requests.length; i++) {
        long before = System.nanoTime();
        int hits = index.search(requests[i], ids, scores);
        sum += record(before, end);
        recalls[i] = truth.recall(from + i, ids, scores, hits);
      }
      passes.add((double) sum / requests.length);
      this.estimate = RecallEstimate.of(recalls, k);
    }

    private long record(long before, long end) {
      long after = System.nanoTime();
      if (after > end) {
        throw new TuneSearch.OutOfTime();
      }
      if (count == times.length) {
        times = Arrays.copyOf(times, 2 * count);
      }
      times[count++] = after - before;
      return after - before;
    }

    /** Times all searches. */
    void pass(long end) {
      pass(0, 0, end);
    }

    /** Times all searches, again and again until it took so long or so many. */
    void pass(long nanos, int searches, long end) {
      long sum = 0;
      int done = 0;
      do {
        for (SearchRequest one : requests) {
          long before = System.nanoTime();
          index.search(one, ids, scores);
          sum += record(before, end);
        }
        done += requests.length;
      } while (sum < nanos && done < searches);
      passes.add((double) sum / done);
    }

    @Override
    public Setting setting() {
      return setting;
    }

    @Override
    public double recall() {
      return estimate.mean();
    }

    @Override
    public double margin() {
      return estimate.margin(queries.length - choosing);
    }

    /** Of the fastest pass: what disturbs one makes it slower, never faster. */
    @Override
    public double cost() {
      return Collections.min(passes);
    }

    Point point() {
      double[] sorted = passes.stream().mapToDouble(Double::doubleValue).sorted().toArray();
      Arrays.sort(times, 0, count);
      return new Point(
          setting.epsilon(),
          setting.nprobe(),
          setting.rerankFactor(),
          requests.length,
          estimate.mean(),
          estimate.low(),
          estimate.high(),
          1e9 / sorted[sorted.length / 2],
          percentile(.5),
          percentile(.99));
    }

    private Duration percentile(double part) {
      return Duration.ofNanos(times[(int) (part * (count - 1))]);
    }
  }
}
