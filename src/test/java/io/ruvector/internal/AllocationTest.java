package io.ruvector.internal;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import io.ruvector.index.FlatF32Index;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import org.junit.jupiter.api.Test;

/** What a search allocates, in compiled code. */
class AllocationTest {
  private static final int ROUNDS = 30_000;
  private static final int K = 10;

  /** The result object, ids and scores with their headers, rounded up. */
  private static final int RESULT_BYTES = 56 + (16 + 8 * K) + (16 + 4 * K);

  /**
   * By reflection: the tests are compiled as a part of the module, which has no need to read
   * jdk.management.
   */
  private static long allocated() {
    try {
      Object bean =
          Class.forName("java.lang.management.ManagementFactory")
              .getMethod("getThreadMXBean")
              .invoke(null);
      return (long)
          Class.forName("com.sun.management.ThreadMXBean")
              .getMethod("getCurrentThreadAllocatedBytes")
              .invoke(bean);
    } catch (ReflectiveOperationException e) {
      return abort("needs a JVM that counts allocations: " + e);
    }
  }

  private static double bytesEach(Runnable search) {
    for (int i = 0; i < ROUNDS; i++) {
      search.run();
    }
    long before = allocated();
    for (int i = 0; i < ROUNDS; i++) {
      search.run();
    }
    return (double) (allocated() - before) / ROUNDS;
  }

  @Test
  void aSearchAllocatesOnlyItsResult() {
    float[][] vectors = Data.vectors(Seed.random("allocation"), 20, 32);
    try (var index = FlatF32Index.build(Vectors.copyOf(vectors), IndexOptions.defaults())) {
      double search = bytesEach(() -> index.search(vectors[3], K));
      assertTrue(search < RESULT_BYTES + 1, () -> search + " bytes for each search");
      var request = SearchRequest.of(vectors[3]).k(K);
      long[] ids = new long[K];
      float[] scores = new float[K];
      double filled = bytesEach(() -> index.search(request, ids, scores));
      assertTrue(filled < 1, () -> filled + " bytes for each search with arrays of the caller's");
    }
  }
}
