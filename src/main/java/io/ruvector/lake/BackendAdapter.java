package io.ruvector.lake;

import io.ruvector.index.IdFilter;
import io.ruvector.index.Metric;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A source of vectors of the user's own, which a lake pulls into its cache and keeps coherent: a
 * database, files, a service. It is called on Java threads, several at once: {@link #generation}
 * and {@link #search} on the one that searches, {@link #pull} and {@link #changesSince} on one of
 * the lake's executor. Interrupts, class loaders and exceptions are as in any Java code.
 *
 * <p>Whatever a method throws reaches the caller of the lake as the cause of a {@link
 * BackendException}.
 */
public non-sealed interface BackendAdapter extends Backend {
  /**
   * The generation of a collection now. It is asked for often: before each search under {@link
   * Consistency#fresh}. It must change whenever a row does.
   *
   * @param collection a name
   * @throws Exception if there is no such collection, or whatever keeps the backend from answering
   */
  Generation generation(String collection) throws Exception;

  /**
   * Pushes all rows of a collection into a sink.
   *
   * @param collection a name
   * @param sink takes the rows
   * @throws Exception if there is no such collection, or whatever keeps the backend from answering
   */
  void pull(String collection, VectorSink sink) throws Exception;

  /**
   * Pushes what changed since a generation, and says where that leads.
   *
   * @param collection a name
   * @param since the generation of the rows that the lake has
   * @param sink takes the changes
   * @return false where that is not known, and the lake pulls the whole collection; the default
   * @throws Exception whatever keeps the backend from answering
   */
  default boolean changesSince(String collection, Generation since, ChangeSink sink)
      throws Exception {
    return false;
  }

  /**
   * Searches a collection in the backend, for a lake that has nothing cached of it: the search is
   * answered at once, while the lake pulls, and stays possible where a collection is larger than
   * the cache may be.
   *
   * <p>The lake checks what can be checked without the rows: that there are at most k hits, each id
   * once and allowed by the filter, and that no score is NaN.
   *
   * @param collection a name
   * @param query the query, as many components as the caller gave
   * @param k how many rows, 1 or more
   * @param filter the ids that may be hits
   * @param metric what the scores are: squared distance, 1 - cosine or -inner product
   * @return null where the backend cannot search like that, and the search waits for the pull; the
   *     default
   * @throws Exception whatever keeps the backend from answering
   */
  default @Nullable PushedDown search(
      String collection, float[] query, int k, IdFilter filter, Metric metric) throws Exception {
    return null;
  }

  /**
   * Whether a failure may pass by itself: then the call is made again, up to four times in all,
   * with growing pauses.
   *
   * @param failure what one of the methods threw
   * @return by default, whether it is an {@link IOException}
   */
  default boolean isTransient(Exception failure) {
    return failure instanceof IOException;
  }
}
