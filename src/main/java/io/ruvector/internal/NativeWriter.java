package io.ruvector.internal;

import io.ruvector.internal.ffi.RuvectorH;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.nio.file.Path;

/** A native writer of an index file. */
public final class NativeWriter {
  private final NativeHandle handle;

  private NativeWriter(MemorySegment address) {
    handle = new NativeHandle("IndexWriter", address, RuvectorH::ruv_writer_free);
  }

  public static NativeWriter create(Path file, NativeIndex.Options options, long maxBytes) {
    NativeLibrary.require();
    long address =
        NativeIndex.longCall(
            (arena, scratch) -> {
              MemorySegment path = NativeIndex.path(arena, file);
              return RuvectorH.ruv_writer_new(
                  options.allocate(arena),
                  path,
                  path.byteSize(),
                  maxBytes,
                  scratch.words,
                  scratch.error);
            });
    return new NativeWriter(MemorySegment.ofAddress(address));
  }

  public void add(NativeIndex.Rows rows, NativeIndex.RowIds ids) {
    NativeIndex.Rows lent = rows.lent();
    NativeIndex.RowIds lentIds = ids.lent();
    try {
      NativeIndex.longCall(
          (arena, scratch) ->
              RuvectorH.ruv_writer_add(
                  handle.pointer(),
                  lent.data(),
                  lent.rows(),
                  lent.dim(),
                  lent.stride(),
                  lentIds.given(),
                  lentIds.first(),
                  MemorySegment.NULL,
                  scratch.error));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** The writer is dead afterwards, whether this fails or not. */
  public void finish() {
    MemorySegment writer = handle.transfer();
    NativeIndex.longCall(
        (arena, scratch) -> RuvectorH.ruv_writer_finish(writer, MemorySegment.NULL, scratch.error));
  }

  public void close() {
    handle.close();
  }
}
