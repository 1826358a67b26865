package io.ruvector.bench;

import io.ruvector.RuVector;
import io.ruvector.index.FlatF32Index;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.SearchResult;
import io.ruvector.index.SearchStats;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.Vectors;
import io.ruvector.internal.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.CompilerControl;
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

/**
 * What it costs to call native code.
 *
 * <p>{@code searchOneRow} minus {@code searchOneRowInNativeLoop} is what the crossing adds to a
 * search: the loop over the same queries is on the native side there.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class CrossingBenchmark {
  private static final int DIM = 16;
  private static final int LOOP = 10_000;

  private final float[] query = new float[DIM];
  private final SearchRequest request = SearchRequest.of(query).k(1);
  private final SearchRequest template = SearchRequest.template().k(1);
  private final long[] ids = new long[1];
  private final float[] scores = new float[1];
  private final Arena arena = Arena.ofShared();
  private final MemorySegment loopIds = arena.allocate(8L * LOOP, 8);
  private final MemorySegment loopScores = arena.allocate(4L * LOOP, 4);
  private VectorBuffer queries;
  private Vectors loopQueries;
  private FlatF32Index index;

  @Setup
  public void build() {
    RuVector.configure(1);
    index = FlatF32Index.build(Vectors.copyOf(query), IndexOptions.defaults());
    queries = VectorBuffer.allocate(LOOP, DIM);
    loopQueries = queries.asVectors();
  }

  @TearDown
  public void close() {
    queries.close();
    index.close();
    arena.close();
  }

  @Benchmark
  @CompilerControl(CompilerControl.Mode.DONT_INLINE)
  public long callOfJava() {
    return ids[0];
  }

  @Benchmark
  public long callOfLibrary() {
    return NativeLibrary.liveHandles();
  }

  @Benchmark
  public boolean callOfIndex() {
    return index.contains(0);
  }

  @Benchmark
  public SearchResult searchOneRow() {
    return index.search(query, 1);
  }

  @Benchmark
  public int searchOneRowIntoArrays() {
    return index.search(request, ids, scores);
  }

  @Benchmark
  @OperationsPerInvocation(LOOP)
  public SearchStats searchOneRowInNativeLoop() {
    return index.searchBatch(loopQueries, template, loopIds, loopScores);
  }
}
