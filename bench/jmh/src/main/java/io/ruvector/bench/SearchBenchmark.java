package io.ruvector.bench;

import io.ruvector.index.BatchResult;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.SearchResult;
import io.ruvector.index.SearchStats;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.Vectors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Searches of 100,000 rows of 128 dimensions, one by one and in batches; times are for one query. */
@State(Scope.Benchmark)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
public class SearchBenchmark {
  private static final int K = 10;
  private static final int QUERIES = 1_000;

  private final float[][] queries = new float[QUERIES][];
  private final SearchRequest template = SearchRequest.template().k(K);
  private final long[] ids = new long[K];
  private final float[] scores = new float[K];
  private final Arena arena = Arena.ofShared();
  private final MemorySegment batchIds = arena.allocate(8L * K * QUERIES, 8);
  private final MemorySegment batchScores = arena.allocate(4L * K * QUERIES, 4);
  private SearchRequest[] requests;
  private Vectors batch;
  private RabitqPlusIndex index;
  private int next;

  @Setup
  public void build() {
    var data = new Clustered();
    try (VectorBuffer rows = data.rows(Clustered.ROWS)) {
      index = RabitqPlusIndex.build(rows.asVectors(), IndexOptions.defaults());
    }
    requests = new SearchRequest[QUERIES];
    for (int i = 0; i < QUERIES; i++) {
      queries[i] = data.next();
      requests[i] = SearchRequest.of(queries[i]).k(K);
    }
    batch = Vectors.copyOf(queries);
  }

  @TearDown
  public void close() {
    index.close();
    arena.close();
  }

  private int turn() {
    next = (next + 1) % QUERIES;
    return next;
  }

  /** With percentiles. */
  @Benchmark
  @BenchmarkMode(Mode.SampleTime)
  public SearchResult search() {
    return index.search(queries[turn()], K);
  }

  @Benchmark
  @BenchmarkMode(Mode.AverageTime)
  public int searchIntoArrays() {
    return index.search(requests[turn()], ids, scores);
  }

  @Benchmark
  @BenchmarkMode(Mode.AverageTime)
  @OperationsPerInvocation(QUERIES)
  public BatchResult batch() {
    return index.searchBatch(batch, template);
  }

  @Benchmark
  @BenchmarkMode(Mode.AverageTime)
  @OperationsPerInvocation(QUERIES)
  public SearchStats batchIntoSegments() {
    return index.searchBatch(batch, template, batchIds, batchScores);
  }
}
