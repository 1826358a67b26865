package io.ruvector.internal;

import io.ruvector.internal.NativeIndex.RowIds;
import io.ruvector.internal.NativeIndex.Rows;
import io.ruvector.internal.NativeLake.Token;
import io.ruvector.internal.ffi.RuvectorH;
import io.ruvector.internal.ffi.ruv_generation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/** Rows of one collection, or what changed of them, on their way into a native lake. */
public final class NativePull {
  private final NativeHandle handle;

  NativePull(long address) {
    handle =
        new NativeHandle("VectorSink", MemorySegment.ofAddress(address), RuvectorH::ruv_pull_free);
  }

  public void expect(long rows, int dim) {
    try {
      NativeIndex.longCall(
          (arena, scratch) ->
              RuvectorH.ruv_pull_expect(handle.pointer(), rows, dim, scratch.error));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void snapshot(Token generation) {
    try {
      NativeIndex.longCall(
          (arena, scratch) -> {
            MemorySegment struct = ruv_generation.allocate(arena);
            generation.write(struct, 0);
            return RuvectorH.ruv_pull_snapshot(handle.pointer(), struct, scratch.error);
          });
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void add(Rows rows, RowIds ids) {
    Rows lent = rows.lent();
    RowIds lentIds = ids.lent();
    try {
      NativeIndex.longCall(
          (arena, scratch) ->
              RuvectorH.ruv_pull_add(
                  handle.pointer(),
                  lent.data(),
                  lent.rows(),
                  lent.dim(),
                  lent.stride(),
                  lentIds.given(),
                  lentIds.first(),
                  scratch.error));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void remove(long[] ids) {
    try {
      NativeIndex.longCall(
          (arena, scratch) ->
              RuvectorH.ruv_pull_remove(
                  handle.pointer(),
                  arena.allocateFrom(ValueLayout.JAVA_LONG, ids),
                  ids.length,
                  scratch.error));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /**
   * Codes the rows and publishes them. The pull is dead afterwards, whether this fails or not.
   *
   * @param generation that of the rows, unless the pull has a snapshot
   * @param ageNanos how long ago the backend had it
   * @return false if so much has changed that the collection is to be pulled
   */
  public boolean commit(@Nullable Token generation, long ageNanos, Cancellation cancellation) {
    MemorySegment pull = handle.transfer();
    long status =
        NativeIndex.longCall(
            (arena, scratch) -> {
              MemorySegment struct = MemorySegment.NULL;
              if (generation != null) {
                struct = ruv_generation.allocate(arena);
                generation.write(struct, ageNanos);
              }
              cancellation.begin(scratch);
              try {
                int result = RuvectorH.ruv_pull_commit(pull, struct, scratch.cancel, scratch.error);
                scratch.words.set(ValueLayout.JAVA_LONG, 0, result);
                return result == Status.NEEDS_PRIME ? Status.OK : result;
              } finally {
                cancellation.end();
              }
            });
    return status != Status.NEEDS_PRIME;
  }

  public void close() {
    handle.close();
  }
}
