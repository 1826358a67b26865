package io.ruvector.index;

import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * The hits of one search, nearest first.
 *
 * <p>The arrays are the result itself, not copies: whoever changes them changes the result.
 */
public final class SearchResult implements Iterable<Hit> {
  private final long[] ids;
  private final float[] scores;
  private final long probed;
  private final long scanned;
  private final long estimated;
  private final long reranked;

  SearchResult(
      long[] ids, float[] scores, long probed, long scanned, long estimated, long reranked) {
    this.ids = ids;
    this.scores = scores;
    this.probed = probed;
    this.scanned = scanned;
    this.estimated = estimated;
    this.reranked = reranked;
  }

  /** How many hits there are: k, or fewer where the index or the filter has fewer rows. */
  public int size() {
    return ids.length;
  }

  /** The ids, nearest first. */
  public long[] ids() {
    return ids;
  }

  /** The score of each id, ascending. */
  public float[] scores() {
    return scores;
  }

  /** What the search did. */
  public SearchStats stats() {
    return new SearchStats(probed, scanned, estimated, reranked);
  }

  /** The hits one by one, nearest first. */
  @Override
  public Iterator<Hit> iterator() {
    return new Iterator<>() {
      private int next;

      @Override
      public boolean hasNext() {
        return next < ids.length;
      }

      @Override
      public Hit next() {
        if (!hasNext()) {
          throw new NoSuchElementException();
        }
        Hit hit = new Hit(ids[next], scores[next]);
        next++;
        return hit;
      }
    };
  }

  /** The hits, for people to read. */
  @Override
  public String toString() {
    var text = new StringBuilder("SearchResult[");
    for (int i = 0; i < ids.length; i++) {
      text.append(i == 0 ? "" : ", ").append(ids[i]).append(": ").append(scores[i]);
    }
    return text.append(']').toString();
  }
}
