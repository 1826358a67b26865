package io.ruvector.internal;

import io.ruvector.internal.ffi.RuvectorH;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;

/**
 * A walk over the rows of one snapshot of an index, batch by batch. The native side allows one call
 * at a time, so each holds the monitor.
 */
public final class NativeIterator {
  /** Numbers beside each code: added, rescaling and error. */
  public static final int FACTORS = 3;

  private final NativeHandle handle;

  private NativeIterator(NativeHandle handle) {
    this.handle = handle;
  }

  public static NativeIterator of(NativeIndex index) {
    try (var scratch = Scratch.borrow()) {
      Status.check(
          RuvectorH.ruv_iter_new(index.pointer(), scratch.words, scratch.error), scratch.error);
      return new NativeIterator(
          new NativeHandle(
              "iterator", scratch.words.get(ValueLayout.ADDRESS, 0), RuvectorH::ruv_iter_free));
    } finally {
      Reference.reachabilityFence(index);
    }
  }

  /** Ids and vectors of some rows, one after another. */
  public record Vectors(long[] ids, float[] components) {}

  /** Up to so many more rows; none at the end. */
  public synchronized Vectors nextVectors(int max, int dim) {
    try (var arena = Arena.ofConfined();
        var scratch = Scratch.borrow()) {
      scratch.hits(max);
      MemorySegment vectors = arena.allocate(ValueLayout.JAVA_FLOAT, (long) max * dim);
      Status.check(
          RuvectorH.ruv_iter_next(
              handle.pointer(), max, scratch.ids(), vectors, scratch.words, scratch.error),
          scratch.error);
      int n = Math.toIntExact(scratch.words.get(ValueLayout.JAVA_LONG, 0));
      long[] ids = new long[n];
      MemorySegment.copy(scratch.ids(), ValueLayout.JAVA_LONG, 0, ids, 0, n);
      float[] components = new float[Math.multiplyExact(n, dim)];
      MemorySegment.copy(vectors, ValueLayout.JAVA_FLOAT, 0, components, 0, components.length);
      return new Vectors(ids, components);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** Ids, packed codes and factors of some rows, one after another. */
  public record Codes(long[] ids, byte[] packed, float[] factors) {}

  /** Up to so many more rows; none at the end. */
  public synchronized Codes nextCodes(int max, int codeBytes) {
    try (var arena = Arena.ofConfined();
        var scratch = Scratch.borrow()) {
      scratch.hits(max);
      MemorySegment packed = arena.allocate((long) max * codeBytes);
      MemorySegment factors = arena.allocate(ValueLayout.JAVA_FLOAT, (long) max * FACTORS);
      Status.check(
          RuvectorH.ruv_iter_next_codes(
              handle.pointer(), max, scratch.ids(), packed, factors, scratch.words, scratch.error),
          scratch.error);
      int n = Math.toIntExact(scratch.words.get(ValueLayout.JAVA_LONG, 0));
      long[] ids = new long[n];
      MemorySegment.copy(scratch.ids(), ValueLayout.JAVA_LONG, 0, ids, 0, n);
      return new Codes(
          ids,
          packed.asSlice(0, (long) n * codeBytes).toArray(ValueLayout.JAVA_BYTE),
          factors.asSlice(0, (long) n * FACTORS * Float.BYTES).toArray(ValueLayout.JAVA_FLOAT));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void close() {
    handle.close();
  }
}
