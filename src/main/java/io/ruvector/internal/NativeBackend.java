package io.ruvector.internal;

import io.ruvector.internal.NativeIndex.RowIds;
import io.ruvector.internal.NativeIndex.Rows;
import io.ruvector.internal.ffi.RuvectorH;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/** A native backend: in memory, or a folder of files. */
public final class NativeBackend {
  private static final int FIRST_NAMES = 4_096;

  private final NativeHandle handle;

  private NativeBackend(String name, long address) {
    handle = new NativeHandle(name, MemorySegment.ofAddress(address), RuvectorH::ruv_backend_free);
  }

  public static NativeBackend local(String id) {
    NativeLibrary.require();
    long address =
        NativeIndex.longCall(
            (arena, scratch) -> {
              MemorySegment text = NativeLake.text(arena, id);
              return RuvectorH.ruv_backend_local(
                  text, text.byteSize(), scratch.words, scratch.error);
            });
    return new NativeBackend("LocalBackend", address);
  }

  public static NativeBackend files(String id, Path root) {
    NativeLibrary.require();
    long address =
        NativeIndex.longCall(
            (arena, scratch) -> {
              MemorySegment text = NativeLake.text(arena, id);
              MemorySegment path = NativeIndex.path(arena, root);
              return RuvectorH.ruv_backend_files(
                  text, text.byteSize(), path, path.byteSize(), scratch.words, scratch.error);
            });
    return new NativeBackend("FsBackend", address);
  }

  public void replace(String collection, Rows rows, RowIds ids) {
    write(RuvectorH::ruv_backend_replace, collection, rows, ids);
  }

  public void upsert(String collection, Rows rows, RowIds ids) {
    write(RuvectorH::ruv_backend_upsert, collection, rows, ids);
  }

  /** The shape that both writing functions have. */
  @FunctionalInterface
  private interface Write {
    int call(
        MemorySegment backend,
        MemorySegment collection,
        long collectionLength,
        MemorySegment data,
        long rows,
        int dim,
        long stride,
        MemorySegment ids,
        long firstId,
        MemorySegment error);
  }

  private void write(Write function, String collection, Rows rows, RowIds ids) {
    Rows lent = rows.lent();
    RowIds lentIds = ids.lent();
    try {
      NativeIndex.longCall(
          (arena, scratch) -> {
            MemorySegment name = NativeLake.text(arena, collection);
            return function.call(
                handle.pointer(),
                name,
                name.byteSize(),
                lent.data(),
                lent.rows(),
                lent.dim(),
                lent.stride(),
                lentIds.given(),
                lentIds.first(),
                scratch.error);
          });
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** Returns how many of the ids were there. */
  public long remove(String collection, long[] ids) {
    try {
      return NativeIndex.longCall(
          (arena, scratch) -> {
            MemorySegment name = NativeLake.text(arena, collection);
            return RuvectorH.ruv_backend_remove(
                handle.pointer(),
                name,
                name.byteSize(),
                arena.allocateFrom(ValueLayout.JAVA_LONG, ids),
                ids.length,
                scratch.words,
                scratch.error);
          });
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public boolean drop(String collection) {
    try {
      return NativeIndex.longCall(
              (arena, scratch) -> {
                MemorySegment name = NativeLake.text(arena, collection);
                return RuvectorH.ruv_backend_drop(
                    handle.pointer(), name, name.byteSize(), scratch.words, scratch.error);
              })
          != 0;
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void registerFile(String collection, String file) {
    try {
      NativeIndex.longCall(
          (arena, scratch) -> {
            MemorySegment name = NativeLake.text(arena, collection);
            MemorySegment text = NativeLake.text(arena, file);
            return RuvectorH.ruv_backend_register_file(
                handle.pointer(), name, name.byteSize(), text, text.byteSize(), scratch.error);
          });
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public List<String> collections() {
    int capacity = FIRST_NAMES;
    while (true) {
      int room = capacity;
      var names = new byte[room];
      try {
        long length =
            NativeIndex.longCall(
                (arena, scratch) -> {
                  MemorySegment text = arena.allocate(room);
                  int status =
                      RuvectorH.ruv_backend_collections(
                          handle.pointer(), text, room, scratch.words, scratch.error);
                  MemorySegment.copy(text, ValueLayout.JAVA_BYTE, 0, names, 0, room);
                  return status;
                });
        if (length < room) {
          String text = new String(names, 0, (int) length, StandardCharsets.UTF_8);
          return text.isEmpty() ? List.of() : List.of(text.split("\n", -1));
        }
        capacity = Math.toIntExact(length + 1);
      } finally {
        Reference.reachabilityFence(this);
      }
    }
  }

  /** For a downcall of another class of this package, which fences this object after it. */
  MemorySegment pointer() {
    return handle.pointer();
  }

  public void close() {
    handle.close();
  }
}
