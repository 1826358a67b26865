package io.ruvector.resources;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.ruvector.index.IdFilter;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.Vectors;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What a batch into the caller's memory allocates, in compiled code. */
class BatchAllocationTest {
  private static final int DIM = 32;
  private static final int ROWS = 100;
  private static final int QUERIES = 2;
  private static final int K = 10;
  private static final int ROUNDS = 30_000;

  /** The {@code SearchStats} that is returned. */
  private static final int STATS_BYTES = 40;

  private static double bytesEach(Runnable search) {
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    for (int i = 0; i < ROUNDS; i++) {
      search.run();
    }
    long before = threads.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < ROUNDS; i++) {
      search.run();
    }
    return (double) (threads.getCurrentThreadAllocatedBytes() - before) / ROUNDS;
  }

  @Test
  void nothingButTheStatistics() {
    Random random = Seed.random("batchAllocation");
    try (var arena = Arena.ofConfined();
        var buffer = VectorBuffer.allocate(QUERIES, DIM);
        var index =
            RabitqPlusIndex.build(
                Vectors.copyOf(Data.vectors(random, ROWS, DIM)), IndexOptions.defaults());
        var half = index.prepare(IdFilter.range(0, ROWS / 2))) {
      for (int i = 0; i < QUERIES; i++) {
        buffer.put(i, Data.vector(random, DIM));
      }
      Vectors queries = buffer.asVectors();
      MemorySegment ids = arena.allocate((long) QUERIES * K * Long.BYTES, Long.BYTES);
      MemorySegment scores = arena.allocate((long) QUERIES * K * Float.BYTES, Float.BYTES);
      SearchRequest all = SearchRequest.template().k(K);
      for (SearchRequest request : new SearchRequest[] {all, all.filter(half)}) {
        double bytes = bytesEach(() -> index.searchBatch(queries, request, ids, scores));
        assertTrue(bytes < STATS_BYTES + 1, () -> bytes + " bytes for each batch");
      }
    }
  }
}
