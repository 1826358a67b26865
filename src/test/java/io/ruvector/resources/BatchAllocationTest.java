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
  private static final int QUERIES = 16;
  private static final int K = 10;
  private static final int ROUNDS = 1_000;
  private static final int MAX_WINDOWS = 200;

  /** The statistics and what describes the call, where the compiler leaves it: no hits. */
  private static final int MAX_BYTES = 256;

  /** What the compiler leaves in the end; how soon it is done, the load of the machine decides. */
  private static double bytesEach(Runnable search) {
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    double least = Double.MAX_VALUE;
    for (int window = 0; window < MAX_WINDOWS && least > MAX_BYTES; window++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < ROUNDS; i++) {
        search.run();
      }
      long bytes = threads.getCurrentThreadAllocatedBytes() - before;
      least = Math.min(least, (double) bytes / ROUNDS);
    }
    return least;
  }

  @Test
  void nothingForItsHits() {
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
        assertTrue(bytes <= MAX_BYTES, () -> bytes + " bytes for each batch");
      }
    }
  }
}
