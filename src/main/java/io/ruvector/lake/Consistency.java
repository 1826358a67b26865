package io.ruvector.lake;

import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeLake.Trust;
import java.time.Duration;

/**
 * How far a search may trust what is cached: for a whole lake, or for one collection.
 *
 * <p>Immutable.
 */
public final class Consistency {
  private static final int FRESH = 0;
  private static final int EVENTUAL = 1;
  private static final int FROZEN = 2;

  /** How many times the age up to which a generation is believed it may be served, if need be. */
  private static final int DEFAULT_MAX_STALE = 10;

  private final int kind;
  private final Duration ttl;
  private final Duration maxStale;
  private final boolean revalidate;

  private Consistency(int kind, Duration ttl, Duration maxStale, boolean revalidate) {
    this.kind = kind;
    this.ttl = ttl;
    this.maxStale = maxStale;
    this.revalidate = revalidate;
  }

  /**
   * The backend's generation is read within every search: no answer is older than its search. A
   * backend that does not answer makes the search fail.
   */
  public static Consistency fresh() {
    return new Consistency(FRESH, Duration.ZERO, Duration.ZERO, false);
  }

  /**
   * The generation is read again by the first search after {@code ttl}. While the backend does not
   * answer, what is cached is served up to ten times as long, {@linkplain LakeResult#stale()
   * marked}.
   *
   * @param ttl how long a generation is believed, from when it was read
   * @throws IllegalArgumentException if {@code ttl} is negative
   */
  public static Consistency eventual(Duration ttl) {
    Duration checked = notNegative("ttl", ttl);
    Duration maxStale;
    try {
      maxStale = checked.multipliedBy(DEFAULT_MAX_STALE);
    } catch (ArithmeticException e) {
      maxStale = checked;
    }
    return new Consistency(EVENTUAL, checked, maxStale, false);
  }

  /**
   * What is cached first is served always, and the generation is never read again. If it was
   * dropped from the cache and the backend has another one by then, a search fails.
   */
  public static Consistency frozen() {
    return new Consistency(FROZEN, Duration.ZERO, Duration.ZERO, false);
  }

  /**
   * This with another limit for answers while the backend does not answer.
   *
   * @param maxStale how long ago the generation may have been confirmed
   * @throws IllegalArgumentException if {@code maxStale} is negative
   * @throws IllegalStateException unless this is {@link #eventual}
   */
  public Consistency maxStale(Duration maxStale) {
    checkEventual();
    return new Consistency(kind, ttl, notNegative("maxStale", maxStale), revalidate);
  }

  /**
   * This, but a search after {@code ttl} is answered at once from what is cached, up to {@code
   * maxStale}, while the lake looks in the background.
   *
   * @throws IllegalStateException unless this is {@link #eventual}
   */
  public Consistency staleWhileRevalidate() {
    checkEventual();
    return new Consistency(kind, ttl, maxStale, true);
  }

  boolean isFrozen() {
    return kind == FROZEN;
  }

  private void checkEventual() {
    if (kind != EVENTUAL) {
      throw new IllegalStateException(this + " never serves what is stale");
    }
  }

  private static Duration notNegative(String name, Duration value) {
    if (value.isNegative()) {
      throw Checks.illegal(name, value, "zero or more");
    }
    return value;
  }

  Trust trust() {
    return new Trust(kind, revalidate, Checks.nanos(ttl), Checks.nanos(maxStale));
  }

  /** The kind and its times, for people to read. */
  @Override
  public String toString() {
    return switch (kind) {
      case FRESH -> "fresh";
      case FROZEN -> "frozen";
      default ->
          "eventual[ttl %s, maxStale %s%s]"
              .formatted(ttl, maxStale, revalidate ? ", stale while revalidate" : "");
    };
  }
}
