package io.ruvector.lake.micrometer;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.TimeGauge;
import io.micrometer.core.instrument.binder.MeterBinder;
import io.ruvector.lake.CacheStats.Counts;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Meters of a lake's cache, for Prometheus and others: {@code ruvector.lake.searches} (tagged
 * {@code result}: hit, miss, stale), {@code .primes}, {@code .refreshes}, {@code .invalidations},
 * {@code .shared}, {@code .warm.installs}, {@code .prime.time}, {@code .entries} and {@code
 * .bytes}.
 *
 * <p>They hold the lake weakly, and are NaN or still once it is garbage; unregister them before it
 * is closed. Safe for use from many threads.
 */
public final class RuLakeMetrics implements MeterBinder {
  private static final String PREFIX = "ruvector.lake.";
  private static final String ALL = "all";

  private final RuLake lake;
  private final @Nullable Target target;
  private final Iterable<Tag> tags;

  private RuLakeMetrics(RuLake lake, @Nullable Target target, Iterable<Tag> tags) {
    this.lake = lake;
    this.target = target;
    this.tags = tags;
  }

  /**
   * Meters of the whole cache, tagged {@code backend} and {@code collection} too, as {@code all}.
   *
   * @param lake the lake
   * @param tags what tells it from other lakes
   */
  public static RuLakeMetrics of(RuLake lake, Tag... tags) {
    // Prometheus wants the same keys on all meters of a name.
    return new RuLakeMetrics(lake, null, Tags.of(tags).and("backend", ALL, "collection", ALL));
  }

  /**
   * Meters of one collection, tagged {@code backend} and {@code collection}.
   *
   * @param lake the lake
   * @param target the collection, which need not be cached yet
   * @param tags what tells the lake from others
   */
  public static RuLakeMetrics of(RuLake lake, Target target, Tag... tags) {
    Tags all =
        Tags.of(tags).and("backend", target.backend()).and("collection", target.collection());
    return new RuLakeMetrics(lake, target, all);
  }

  @Override
  public void bindTo(MeterRegistry registry) {
    searches(registry, "hit", Counts::hits);
    searches(registry, "miss", Counts::misses);
    searches(registry, "stale", Counts::stale);
    searches(registry, "pushed_down", Counts::pushedDown);
    counter(registry, "primes", "collections pulled and coded", Counts::primes);
    counter(registry, "refreshes", "primes that took in changes alone", Counts::refreshes);
    counter(registry, "invalidations", "cached collections dropped", Counts::invalidations);
    counter(registry, "shared", "pulls of rows that were cached already", Counts::sharedHits);
    counter(registry, "warm.installs", "collections from a saved cache", Counts::warmInstalls);
    TimeGauge.builder(
            PREFIX + "prime.time",
            lake,
            TimeUnit.NANOSECONDS,
            value(counts -> counts.primeTime().toNanos()))
        .description("time of all primes")
        .tags(tags)
        .register(registry);
    gauge(registry, "entries", null, Counts::entries);
    gauge(registry, "bytes", "bytes", Counts::bytes);
  }

  private ToDoubleFunction<RuLake> value(ToDoubleFunction<Counts> of) {
    return lake -> {
      var stats = lake.cacheStats();
      Counts counts = target == null ? stats.total() : stats.byCollection().get(target);
      return counts == null ? 0 : of.applyAsDouble(counts);
    };
  }

  private void searches(MeterRegistry registry, String result, ToDoubleFunction<Counts> of) {
    FunctionCounter.builder(PREFIX + "searches", lake, value(of))
        .description("searches by what the cache had for them")
        .tags(tags)
        .tag("result", result)
        .register(registry);
  }

  private void counter(
      MeterRegistry registry, String name, String description, ToDoubleFunction<Counts> of) {
    FunctionCounter.builder(PREFIX + name, lake, value(of))
        .description(description)
        .tags(tags)
        .register(registry);
  }

  private void gauge(
      MeterRegistry registry, String name, @Nullable String unit, ToDoubleFunction<Counts> of) {
    Gauge.builder(PREFIX + name, lake, value(of))
        .description("what is cached now")
        .baseUnit(unit)
        .tags(tags)
        .register(registry);
  }
}
