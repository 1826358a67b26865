package io.ruvector.lake;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.internal.Checks;
import io.ruvector.internal.NativePull;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Hands what an adapter pushes to the native side, as long as its call lasts. */
final class PullSink implements ChangeSink {
  private final NativePull pull;
  private final Flight.Running running;
  private @Nullable Generation generation;
  private volatile boolean ended;

  PullSink(NativePull pull, Flight.Running running) {
    this.pull = pull;
    this.running = running;
  }

  private void check() {
    if (ended) {
      throw new IllegalStateException("the call that this sink was given to has returned");
    }
    running.check();
  }

  @Override
  public void expect(long rows, int dim) {
    check();
    if (rows < 0) {
      throw Checks.illegal("rows", rows, "0 or more");
    }
    pull.expect(rows, Checks.dim(dim));
  }

  @Override
  public void snapshot(Generation generation) {
    check();
    pull.snapshot(RuLake.token(generation));
    this.generation = Objects.requireNonNull(generation, "generation");
  }

  @Override
  public void add(Vectors rows, Ids ids) {
    check();
    if (rows.rows() > 0) {
      LocalBackend.write(rows, ids, pull::add);
    }
  }

  @Override
  public void remove(long... ids) {
    check();
    pull.remove(ids);
  }

  /** What the adapter said; null if nothing. */
  @Nullable Generation generation() {
    return generation;
  }

  void end() {
    ended = true;
  }
}
