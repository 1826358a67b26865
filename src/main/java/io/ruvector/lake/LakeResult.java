package io.ruvector.lake;

import io.ruvector.index.Hit;
import io.ruvector.index.SearchResult;
import java.time.Instant;
import java.util.Iterator;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The hits of one search of a collection, nearest first, and what they were found in.
 *
 * @param target the collection
 * @param hits the hits
 * @param generation the generation of the rows
 * @param confirmed when the backend was last known to have that generation; null where only a saved
 *     cache says so
 * @param stale whether the backend may have a newer one than {@link Consistency} asks for
 * @param pushedDown whether the backend has found them by itself, while nothing was cached
 */
public record LakeResult(
    Target target,
    SearchResult hits,
    Generation generation,
    @Nullable Instant confirmed,
    boolean stale,
    boolean pushedDown)
    implements Iterable<Hit> {
  /** How many hits there are: k, or fewer where the collection or the filter has fewer rows. */
  public int size() {
    return hits.size();
  }

  /** The ids, nearest first. */
  public long[] ids() {
    return hits.ids();
  }

  /** The score of each id, ascending. */
  public float[] scores() {
    return hits.scores();
  }

  /** When the backend was last known to have the generation, if that is known. */
  public Optional<Instant> confirmedAt() {
    return Optional.ofNullable(confirmed);
  }

  @Override
  public Iterator<Hit> iterator() {
    return hits.iterator();
  }
}
