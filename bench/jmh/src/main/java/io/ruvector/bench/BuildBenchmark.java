package io.ruvector.bench;

import io.ruvector.RuVector;
import io.ruvector.index.FlatF32Index;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.IvfIndex;
import io.ruvector.index.RabitqAsymIndex;
import io.ruvector.index.RabitqIndex;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Builds from a view of 100,000 rows of 128 dimensions. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3)
@Measurement(iterations = 10)
public class BuildBenchmark {
  @Param({"flat", "rabitq", "asym", "plus", "ivf"})
  public String kind;

  @Param({"1", "2"})
  public int threads;

  private VectorBuffer rows;

  @Setup
  public void fill() {
    RuVector.configure(threads);
    rows = new Clustered().rows(Clustered.ROWS);
  }

  @TearDown
  public void close() {
    rows.close();
  }

  @Benchmark
  public long build() {
    Vectors view = rows.asVectors();
    IndexOptions options = IndexOptions.defaults();
    try (VectorIndex index =
        switch (kind) {
          case "flat" -> FlatF32Index.build(view, options);
          case "rabitq" -> RabitqIndex.build(view, options);
          case "asym" -> RabitqAsymIndex.build(view, options);
          case "plus" -> RabitqPlusIndex.build(view, options);
          case "ivf" -> IvfIndex.build(view, options);
          default -> throw new IllegalArgumentException(kind);
        }) {
      return index.size();
    }
  }
}
