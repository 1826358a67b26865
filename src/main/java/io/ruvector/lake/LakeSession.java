package io.ruvector.lake;

import io.ruvector.RuVectorException;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A group of searches of a lake. The first search of a collection brings it up to what its {@link
 * Consistency} asks for, as any search of the lake; all others of the session are answered from the
 * same rows, and ask no backend, whatever changes meanwhile.
 *
 * {@snippet lang=java :
 * try (var files = FsBackend.open("files", java.nio.file.Path.of("vectors"));
 *     var lake = RuLake.builder().build()) {
 *   lake.registerBackend(files);
 *   try (var session = lake.session(java.nio.file.Path.of("caches"))) {
 *     for (float[] each : rows) {
 *       session.search(Target.of("files", "words"), each, 10);
 *     }
 *   }
 * }
 * }
 *
 * <p>A session with a folder begins from what is saved there, each collection in {@code
 * BACKEND=COLLECTION.lake} (both as in a URL's query), and {@link #close} saves what is cached then
 * and was not saved. A saved cache that is refused is logged, and replaced.
 *
 * <p>For one thread at a time. It keeps the memory of what it has searched until it is closed, also
 * of what leaves the cache, so it belongs to a piece of work and not to a program.
 */
public final class LakeSession implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LakeSession.class);

  private final RuLake lake;
  private final @Nullable Path folder;
  private final Map<Target, RuLake.Lease> leases = new LinkedHashMap<>();

  /** The witness of what is saved. */
  private final Map<Target, String> saved = new HashMap<>();

  private boolean closed;

  LakeSession(RuLake lake, @Nullable Path folder) {
    this.lake = lake;
    this.folder = folder;
  }

  /**
   * The rows of a collection that are nearest to a query.
   *
   * @param target the collection
   * @param query as many components as the collection has
   * @param k how many rows, 1 or more
   * @throws LakeException as a search of the lake
   * @throws IllegalStateException if this is closed
   */
  public LakeResult search(Target target, float[] query, int k) {
    return search(target, SearchRequest.of(query).k(k));
  }

  /**
   * The rows of a collection that are nearest to a query.
   *
   * @param target the collection
   * @param request what to search for
   * @throws LakeException as a search of the lake
   * @throws IllegalStateException if this is closed
   */
  public LakeResult search(Target target, SearchRequest request) {
    return RuLake.search(target, lease(target, request), request);
  }

  /**
   * The rows of a collection that are nearest to each of many queries.
   *
   * @param target the collection
   * @param queries the queries
   * @param template how to search
   * @throws LakeException as a search of the lake
   * @throws IllegalStateException if this is closed
   */
  public LakeBatchResult searchBatch(Target target, Vectors queries, SearchRequest template) {
    return RuLake.searchBatch(target, lease(target, template), queries, template);
  }

  private RuLake.Lease lease(Target target, SearchRequest request) {
    if (closed) {
      throw new IllegalStateException("LakeSession is closed");
    }
    RuLake.Lease lease = leases.get(target);
    if (lease == null) {
      if (folder != null) {
        begin(target, dir(folder, target));
      }
      lease = lake.hold(target, request);
      leases.put(target, lease);
    }
    return lease;
  }

  private void begin(Target target, Path dir) {
    if (!Files.exists(dir.resolve(RuLakeBundle.FILE_NAME))) {
      return;
    }
    try {
      RuLakeBundle bundle = lake.read(dir);
      if (!lake.isCached(target)) {
        lake.warm(target, dir, bundle);
      }
      saved.put(target, bundle.witness());
    } catch (RuVectorException e) {
      LOG.info("{}: the saved cache is refused: {}", target, e.getMessage());
    }
  }

  private static Path dir(Path folder, Target target) {
    // One name, which begins with no dots of its own; '=' is not left by the encoding.
    return folder.resolve(
        "%s=%s.lake".formatted(encoded(target.backend()), encoded(target.collection())));
  }

  private static String encoded(String name) {
    return URLEncoder.encode(name, StandardCharsets.UTF_8);
  }

  /**
   * Gives back what was searched. With a folder, saves what is cached and not saved, of each
   * collection that was searched; what has left the cache is passed over.
   *
   * @throws LakeException if a sidecar cannot be written; the other collections are saved
   * @throws io.ruvector.index.PersistException if an index cannot be written
   * @throws IllegalStateException if the lake was closed before, and there is something to save
   */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    RuntimeException failure = null;
    for (Map.Entry<Target, RuLake.Lease> each : leases.entrySet()) {
      each.getValue().release();
      try {
        if (folder != null) {
          save(each.getKey(), dir(folder, each.getKey()));
        }
      } catch (RuntimeException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    leases.clear();
    if (failure != null) {
      throw failure;
    }
  }

  private void save(Target target, Path dir) {
    Optional<String> witness = lake.cacheWitnessOf(target);
    if (witness.isPresent() && !witness.get().equals(saved.get(target))) {
      lake.saveCacheToDir(target, dir);
    }
  }
}
