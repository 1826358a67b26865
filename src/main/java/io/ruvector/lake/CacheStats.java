package io.ruvector.lake;

import io.ruvector.internal.NativeLake.AllStats;
import io.ruvector.internal.NativeLake.CollectionStats;
import io.ruvector.internal.NativeLake.Stats;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * What a lake's cache did since it was made. {@link #toString()} is a table for people to read.
 *
 * @param total over all backends, those that were taken away too
 * @param byCollection for each collection of those that are there
 */
public record CacheStats(Counts total, Map<Target, Counts> byCollection) {
  /**
   * The counts of the whole cache, a backend or a collection.
   *
   * @param hits searches that found the collection cached, and as new as was asked for
   * @param misses searches that did not
   * @param primes collections pulled and coded
   * @param refreshes of these, those that took in what had changed and no more
   * @param invalidations cached collections dropped: evicted, invalidated, or replaced
   * @param sharedHits pulls that found the same rows cached already, and shared them
   * @param warmInstalls collections installed from a saved cache
   * @param stale searches answered from a generation that could not be confirmed
   * @param pushedDown searches that a {@link BackendAdapter} answered by itself, counted in {@code
   *     misses} too
   * @param primeTime time of all primes
   * @param lastPrime time of the last prime; of a sum the longest of these
   * @param entries collections that are cached now
   * @param bytes bytes of their indexes now
   */
  public record Counts(
      long hits,
      long misses,
      long primes,
      long refreshes,
      long invalidations,
      long sharedHits,
      long warmInstalls,
      long stale,
      long pushedDown,
      Duration primeTime,
      Duration lastPrime,
      long entries,
      long bytes) {
    private static Counts of(Stats s) {
      return new Counts(
          s.hits(),
          s.misses(),
          s.primes(),
          s.refreshes(),
          s.invalidations(),
          s.sharedHits(),
          s.warmInstalls(),
          s.stale(),
          s.pushedDown(),
          Duration.ofNanos(s.primeNanos()),
          Duration.ofNanos(s.lastPrimeNanos()),
          s.entries(),
          s.bytes());
    }

    private Counts plus(Counts o) {
      return new Counts(
          hits + o.hits,
          misses + o.misses,
          primes + o.primes,
          refreshes + o.refreshes,
          invalidations + o.invalidations,
          sharedHits + o.sharedHits,
          warmInstalls + o.warmInstalls,
          stale + o.stale,
          pushedDown + o.pushedDown,
          primeTime.plus(o.primeTime),
          lastPrime.compareTo(o.lastPrime) < 0 ? o.lastPrime : lastPrime,
          entries + o.entries,
          bytes + o.bytes);
    }

    /** Hits as a part of all searches; empty before the first. */
    public OptionalDouble hitRate() {
      long searches = hits + misses;
      return searches == 0 ? OptionalDouble.empty() : OptionalDouble.of((double) hits / searches);
    }
  }

  /** Copies the map, in its order. */
  public CacheStats {
    byCollection = Collections.unmodifiableMap(new LinkedHashMap<>(byCollection));
  }

  static CacheStats of(AllStats all) {
    Map<Target, Counts> each = new LinkedHashMap<>();
    for (CollectionStats one : all.each()) {
      each.put(Target.of(one.backend(), one.collection()), Counts.of(one.stats()));
    }
    return new CacheStats(Counts.of(all.total()), each);
  }

  /**
   * The sum for each backend that is there; bytes that several collections share count for each.
   */
  public Map<String, Counts> byBackend() {
    Map<String, Counts> sums = new LinkedHashMap<>();
    byCollection.forEach((target, counts) -> sums.merge(target.backend(), counts, Counts::plus));
    return sums;
  }

  /** A line for each collection, and one for all. */
  @Override
  public String toString() {
    List<String[]> rows = new ArrayList<>();
    rows.add(
        new String[] {
          "collection", "hits", "misses", "primes", "stale", "dropped", "last prime", "MiB"
        });
    byCollection.forEach((target, counts) -> rows.add(row(target.toString(), counts)));
    rows.add(row("all", total));
    int[] widths = new int[rows.getFirst().length];
    for (String[] row : rows) {
      for (int i = 0; i < row.length; i++) {
        widths[i] = Math.max(widths[i], row[i].length());
      }
    }
    var text = new StringBuilder();
    for (String[] row : rows) {
      for (int i = 0; i < row.length; i++) {
        String format = i == 0 ? "%-" + widths[i] + "s" : "  %" + widths[i] + "s";
        text.append(format.formatted(row[i]));
      }
      text.append('\n');
    }
    return text.toString();
  }

  private static String[] row(String name, Counts c) {
    return new String[] {
      name,
      Long.toString(c.hits),
      Long.toString(c.misses),
      Long.toString(c.primes),
      Long.toString(c.stale),
      Long.toString(c.invalidations),
      "%.1f ms".formatted(c.lastPrime.toNanos() / 1e6),
      "%.1f".formatted(c.bytes / (double) (1 << 20))
    };
  }
}
