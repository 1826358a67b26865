package io.ruvector.index;

import java.util.Iterator;

/**
 * The rows within a radius, nearest first.
 *
 * <p>The arrays are the result itself, not copies: whoever changes them changes the result.
 */
public final class RangeResult implements Iterable<Hit> {
  private final SearchResult hits;
  private final float[] bounds;
  private final boolean[] certain;
  private final boolean truncated;

  RangeResult(
      long[] ids,
      float[] scores,
      float[] bounds,
      boolean[] certain,
      boolean truncated,
      long probed,
      long scanned,
      long estimated,
      long reranked) {
    this.hits = new SearchResult(ids, scores, probed, scanned, estimated, reranked);
    this.bounds = bounds;
    this.certain = certain;
    this.truncated = truncated;
  }

  /** How many hits there are. */
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

  /** How far each score may be from the exact one: 0 where originals are kept. */
  public float[] bounds() {
    return bounds;
  }

  /** Whether each hit lies within the radius even if its score is off by its bound. */
  public boolean[] certain() {
    return certain;
  }

  /** Whether there were more hits than the request's limit. */
  public boolean truncated() {
    return truncated;
  }

  /** What the search did. */
  public SearchStats stats() {
    return hits.stats();
  }

  /** The hits one by one, nearest first. */
  @Override
  public Iterator<Hit> iterator() {
    return hits.iterator();
  }

  /** The hits, for people to read. */
  @Override
  public String toString() {
    return "RangeResult[truncated=%s, %s]".formatted(truncated, hits);
  }
}
