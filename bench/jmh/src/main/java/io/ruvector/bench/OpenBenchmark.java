package io.ruvector.bench;

import io.ruvector.index.SearchResult;
import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Opening a saved index by mmap in a warmed-up process, and the first search after it beside the
 * steady one; the file is in the page cache. {@link FreshOpen} measures fresh processes.
 */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class OpenBenchmark {
  private static final int K = 10;

  /** A saved index. */
  @State(Scope.Benchmark)
  public static class Saved {
    @Param({"flat", "asym", "plus"})
    public String kind;

    @Param({"100000x128", "300000x100"})
    public String shape;

    private SavedIndex saved;
    private int next;

    @Setup
    public void save() throws IOException {
      saved = SavedIndex.of(kind, shape);
    }

    @TearDown
    public void delete() throws IOException {
      saved.close();
    }

    private VectorIndex open() {
      return VectorIndex.open(saved.file());
    }

    private float[] query() {
      next = (next + 1) % saved.queries().length;
      return saved.queries()[next];
    }
  }

  /** An index that was opened once and has been searched since. */
  @State(Scope.Benchmark)
  public static class Steady {
    private VectorIndex index;

    @Setup
    public void open(Saved saved) {
      index = saved.open();
    }

    @TearDown
    public void close() {
      index.close();
    }
  }

  /** An index that is opened before each search. */
  @State(Scope.Benchmark)
  public static class Fresh {
    private VectorIndex index;

    @Setup(Level.Invocation)
    public void open(Saved saved) {
      index = saved.open();
    }

    @TearDown(Level.Invocation)
    public void close() {
      index.close();
    }
  }

  /** And closes it, or the mappings would pile up. */
  @Benchmark
  public long open(Saved saved) {
    try (VectorIndex index = saved.open()) {
      return index.size();
    }
  }

  @Benchmark
  public SearchResult firstSearch(Saved saved, Fresh fresh) {
    return fresh.index.search(saved.query(), K);
  }

  @Benchmark
  public SearchResult search(Saved saved, Steady steady) {
    return steady.index.search(saved.query(), K);
  }
}
