package io.ruvector.internal;

import io.ruvector.internal.ffi.RuvectorH;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Native memory for rows, which an index can take over. */
public final class NativeBuffer {
  private final NativeHandle handle;
  private final MemorySegment data;

  private NativeBuffer(NativeHandle handle, MemorySegment data) {
    this.handle = handle;
    this.data = data;
  }

  public static NativeBuffer allocate(long rows, int dim) {
    NativeLibrary.require();
    try (var scratch = Scratch.borrow()) {
      MemorySegment out = scratch.words;
      MemorySegment data = out.asSlice(ValueLayout.ADDRESS.byteSize());
      Status.check(RuvectorH.ruv_buffer_new(rows, dim, out, data, scratch.error), scratch.error);
      var handle =
          new NativeHandle(
              "VectorBuffer", out.get(ValueLayout.ADDRESS, 0), RuvectorH::ruv_buffer_free);
      long bytes = Math.multiplyExact(rows, (long) dim * Float.BYTES);
      return new NativeBuffer(handle, handle.memory(data.get(ValueLayout.ADDRESS, 0), bytes));
    }
  }

  /**
   * All rows, one after another.
   *
   * @throws IllegalStateException if the buffer is closed, or adopted by an index
   */
  public MemorySegment data() {
    handle.pointer();
    return data;
  }

  /** Ends this object; the memory belongs to whom the address is given next. */
  MemorySegment transfer() {
    return handle.transfer();
  }

  public void close() {
    handle.close();
  }
}
