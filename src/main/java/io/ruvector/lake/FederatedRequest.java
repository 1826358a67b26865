package io.ruvector.lake;

import io.ruvector.index.SearchRequest;
import io.ruvector.internal.Checks;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * What to search for in several collections. Immutable: each method that sets something returns
 * another request.
 */
public final class FederatedRequest {
  private final SearchRequest search;
  private final List<Target> targets;
  private final boolean replicas;
  private final boolean strict;

  /** 0: none. */
  private final long deadlineNanos;

  private FederatedRequest(
      SearchRequest search,
      List<Target> targets,
      boolean replicas,
      boolean strict,
      long deadlineNanos) {
    this.search = search;
    this.targets = targets;
    this.replicas = replicas;
    this.strict = strict;
    this.deadlineNanos = deadlineNanos;
  }

  /**
   * A search of these collections, each asked for {@link SearchRequest#k()} rows.
   *
   * @param search what to search for
   * @param targets the collections; one that is named twice is searched once
   * @throws IllegalArgumentException if there are none
   */
  public static FederatedRequest of(SearchRequest search, List<Target> targets) {
    Set<Target> each = new LinkedHashSet<>(targets);
    if (each.isEmpty()) {
      throw Checks.illegal("targets", "empty", "1 or more");
    }
    return new FederatedRequest(search, List.copyOf(each), false, false, 0);
  }

  /** This, but the collections hold copies of the same rows: one id is one hit. */
  public FederatedRequest replicas() {
    return new FederatedRequest(search, targets, true, strict, deadlineNanos);
  }

  /** This, but the first collection that fails makes the whole search fail. */
  public FederatedRequest strict() {
    return new FederatedRequest(search, targets, replicas, true, deadlineNanos);
  }

  /**
   * This with a limit of time for each collection: one that takes longer is a failure of its own.
   *
   * @param deadline more than zero
   * @throws IllegalArgumentException if it is not
   */
  public FederatedRequest targetDeadline(Duration deadline) {
    return new FederatedRequest(
        search, targets, replicas, strict, Checks.positiveNanos("deadline", deadline));
  }

  SearchRequest search() {
    return search;
  }

  List<Target> targets() {
    return targets;
  }

  boolean hasReplicas() {
    return replicas;
  }

  boolean isStrict() {
    return strict;
  }

  long deadlineNanos() {
    return deadlineNanos;
  }
}
