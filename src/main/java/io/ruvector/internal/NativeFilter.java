package io.ruvector.internal;

import io.ruvector.internal.ffi.RuvectorH;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;

/** A native set of ids, with the bitmap of the last index that it was prepared for. */
public final class NativeFilter {
  private final NativeHandle handle;

  private NativeFilter(NativeHandle handle) {
    this.handle = handle;
  }

  /** From inclusive intervals, sorted and disjoint. */
  public static NativeFilter of(long[] lows, long[] highs) {
    NativeLibrary.require();
    try (var arena = Arena.ofConfined();
        var scratch = Scratch.borrow()) {
      MemorySegment low = arena.allocateFrom(ValueLayout.JAVA_LONG, lows);
      MemorySegment high = arena.allocateFrom(ValueLayout.JAVA_LONG, highs);
      Status.check(
          RuvectorH.ruv_filter_new(low, high, lows.length, scratch.words, scratch.error),
          scratch.error);
      return new NativeFilter(
          new NativeHandle(
              "PreparedFilter",
              scratch.words.get(ValueLayout.ADDRESS, 0),
              RuvectorH::ruv_filter_free));
    }
  }

  /** Builds the bitmap over the rows of the index; returns how many of them are allowed. */
  public long prepare(NativeIndex index) {
    try (var scratch = Scratch.borrow()) {
      Status.check(
          RuvectorH.ruv_filter_prepare(
              handle.pointer(), index.pointer(), scratch.words, scratch.error),
          scratch.error);
      return scratch.words.get(ValueLayout.JAVA_LONG, 0);
    } finally {
      Reference.reachabilityFence(this);
      Reference.reachabilityFence(index);
    }
  }

  /** Keeps the filter, even where it is closed meanwhile, until {@link #unpin()}. */
  public MemorySegment pin() {
    return handle.pin();
  }

  public void unpin() {
    handle.unpin();
  }

  public boolean isClosed() {
    return handle.isClosed();
  }

  public void close() {
    handle.close();
  }

  /** The intervals of a portable 64-bit Roaring bitmap. */
  public record Intervals(long[] lows, long[] highs) {}

  public static Intervals roaring(byte[] bitmap) {
    NativeLibrary.require();
    try (var arena = Arena.ofConfined();
        var scratch = Scratch.borrow()) {
      MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, bitmap);
      long room = roaring(bytes, MemorySegment.NULL, MemorySegment.NULL, 0, scratch);
      MemorySegment lows = arena.allocate(ValueLayout.JAVA_LONG, room);
      MemorySegment highs = arena.allocate(ValueLayout.JAVA_LONG, room);
      if (room > 0) {
        roaring(bytes, lows, highs, room, scratch);
      }
      return new Intervals(
          lows.toArray(ValueLayout.JAVA_LONG), highs.toArray(ValueLayout.JAVA_LONG));
    }
  }

  private static long roaring(
      MemorySegment bytes, MemorySegment lows, MemorySegment highs, long room, Scratch scratch) {
    Status.check(
        RuvectorH.ruv_roaring_intervals(
            bytes, bytes.byteSize(), lows, highs, room, scratch.words, scratch.error),
        scratch.error);
    return scratch.words.get(ValueLayout.JAVA_LONG, 0);
  }
}
