package io.ruvector.index;

import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;

/**
 * The hits of a batch of queries: those of query {@code i} lie in the places from {@code i * k()}
 * on, nearest first, and {@code counts()[i]} says how many there are. Unused places hold the id -1
 * and an infinite score.
 *
 * <p>The arrays are the result itself, not copies: whoever changes them changes the result.
 */
public final class BatchResult implements Iterable<SearchResult> {
  private final int k;
  private final long[] ids;
  private final float[] scores;
  private final int[] counts;
  private final SearchStats stats;

  BatchResult(int k, long[] ids, float[] scores, int[] counts, SearchStats stats) {
    this.k = k;
    this.ids = ids;
    this.scores = scores;
    this.counts = counts;
    this.stats = stats;
  }

  /** How many queries there were. */
  public int size() {
    return counts.length;
  }

  /** How many places each query has. */
  public int k() {
    return k;
  }

  /** The ids, {@code size() * k()} of them. */
  public long[] ids() {
    return ids;
  }

  /** The score of each id. */
  public float[] scores() {
    return scores;
  }

  /** How many hits each query has. */
  public int[] counts() {
    return counts;
  }

  /** What all searches together did. */
  public SearchStats stats() {
    return stats;
  }

  /**
   * A copy of the hits of one query, without statistics of its own: they are zero.
   *
   * @param query its row in the batch, from 0
   * @throws IndexOutOfBoundsException if there is no such query
   */
  public SearchResult get(int query) {
    Objects.checkIndex(query, counts.length);
    int from = query * k;
    int to = from + counts[query];
    return new SearchResult(
        Arrays.copyOfRange(ids, from, to), Arrays.copyOfRange(scores, from, to), 0, 0, 0, 0);
  }

  /** The results of the queries, in their order. */
  @Override
  public Iterator<SearchResult> iterator() {
    return new Iterator<>() {
      private int next;

      @Override
      public boolean hasNext() {
        return next < counts.length;
      }

      @Override
      public SearchResult next() {
        if (!hasNext()) {
          throw new NoSuchElementException();
        }
        return get(next++);
      }
    };
  }
}
