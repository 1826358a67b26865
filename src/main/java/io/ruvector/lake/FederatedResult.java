package io.ruvector.lake;

import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * The nearest rows of several collections, and what became of each.
 *
 * <p>A lake has one metric and codes all its collections alike, so scores compare: those of kinds
 * that keep originals, and of backends that search by themselves, are exact, and those of kinds
 * that do not are estimates with the errors of their codes. Where {@link RuLake.Builder#ivfFrom}
 * stands beside such a kind, the hits of large collections, whose cells keep originals, are exact
 * and the others are not.
 *
 * @param hits the hits, nearest first; equal scores are ordered by id, then by target
 * @param answers what each collection that answered found by itself
 * @param failures why the others did not
 */
public record FederatedResult(
    List<FederatedHit> hits, Map<Target, LakeResult> answers, Map<Target, Throwable> failures)
    implements Iterable<FederatedHit> {
  /** Copies the collections. */
  public FederatedResult {
    hits = List.copyOf(hits);
    answers = Map.copyOf(answers);
    failures = Map.copyOf(failures);
  }

  /** Whether every collection has answered. */
  public boolean isComplete() {
    return failures.isEmpty();
  }

  @Override
  public Iterator<FederatedHit> iterator() {
    return hits.iterator();
  }
}
