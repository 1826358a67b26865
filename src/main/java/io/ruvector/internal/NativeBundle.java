package io.ruvector.internal;

import io.ruvector.internal.NativeLake.Token;
import io.ruvector.internal.ffi.RuvectorH;
import io.ruvector.internal.ffi.ruv_bundle;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The fields of a sidecar, and the native functions that need no more than these. */
public record NativeBundle(
    int dim, long rotationSeed, long rerankFactor, Token generation, Texts texts) {
  /** The place of a generation among the native struct's texts. */
  private static final int GENERATION = 1;

  /** The texts of a sidecar but its generation, in the order of the native struct. */
  public record Texts(
      String dataRef,
      String witness,
      @Nullable String piiPolicy,
      @Nullable String lineageId,
      @Nullable String memoryClass,
      @Nullable String contentHash,
      @Nullable String indexHash,
      @Nullable String signature) {}

  MemorySegment write(SegmentAllocator arena) {
    MemorySegment struct = ruv_bundle.allocate(arena);
    ruv_bundle.dim(struct, dim);
    ruv_bundle.generation_kind(
        struct,
        generation.text() == null
            ? RuvectorH.RUV_GENERATION_NUMBER()
            : RuvectorH.RUV_GENERATION_TEXT());
    ruv_bundle.generation_number(struct, generation.number());
    ruv_bundle.rotation_seed(struct, rotationSeed);
    ruv_bundle.rerank_factor(struct, rerankFactor);
    @Nullable String[] all = {
      texts.dataRef,
      generation.text(),
      texts.witness,
      texts.piiPolicy,
      texts.lineageId,
      texts.memoryClass,
      texts.contentHash,
      texts.indexHash,
      texts.signature
    };
    MemorySegment text = ruv_bundle.text(struct);
    int used = 0;
    for (int i = 0; i < all.length; i++) {
      byte[] bytes = all[i] == null ? null : all[i].getBytes(StandardCharsets.UTF_8);
      ruv_bundle.lengths(struct, i, bytes == null ? -1 : bytes.length);
      if (bytes != null) {
        if (bytes.length > text.byteSize() - used) {
          throw Checks.illegal(
              "texts", used + bytes.length + " bytes", "at most " + text.byteSize());
        }
        MemorySegment.copy(bytes, 0, text, ValueLayout.JAVA_BYTE, used, bytes.length);
        used += bytes.length;
      }
    }
    return struct;
  }

  static NativeBundle read(MemorySegment struct) {
    List<@Nullable String> all = new ArrayList<>();
    MemorySegment text = ruv_bundle.text(struct);
    int used = 0;
    for (int i = 0; i < RuvectorH.RUV_BUNDLE_TEXTS(); i++) {
      int length = ruv_bundle.lengths(struct, i);
      if (length < 0) {
        all.add(null);
      } else {
        byte[] bytes = text.asSlice(used, length).toArray(ValueLayout.JAVA_BYTE);
        all.add(new String(bytes, StandardCharsets.UTF_8));
        used += length;
      }
    }
    return new NativeBundle(
        ruv_bundle.dim(struct),
        ruv_bundle.rotation_seed(struct),
        ruv_bundle.rerank_factor(struct),
        new Token(all.get(GENERATION), ruv_bundle.generation_number(struct)),
        new Texts(
            present(all.get(0)),
            present(all.get(2)),
            all.get(3),
            all.get(4),
            all.get(5),
            all.get(6),
            all.get(7),
            all.get(8)));
  }

  private static String present(@Nullable String text) {
    return text == null ? "" : text;
  }

  /** A native call that fills a struct. */
  @FunctionalInterface
  private interface Fill {
    int call(Arena arena, MemorySegment struct, Scratch scratch);
  }

  private static NativeBundle filled(Fill fill) {
    NativeLibrary.require();
    var filled = new NativeBundle[1];
    NativeIndex.longCall(
        (arena, scratch) -> {
          MemorySegment struct = ruv_bundle.allocate(arena);
          int status = fill.call(arena, struct, scratch);
          if (status == Status.OK) {
            filled[0] = read(struct);
          }
          return status;
        });
    return filled[0];
  }

  /** Reads the text of a sidecar; its witness is not compared. */
  public static NativeBundle parse(String json) {
    return filled(
        (arena, struct, scratch) -> {
          MemorySegment text = NativeLake.text(arena, json);
          return RuvectorH.ruv_bundle_parse(text, text.byteSize(), struct, scratch.error);
        });
  }

  /** Reads the sidecar of a folder. */
  public static NativeBundle read(Path dir) {
    return filled(
        (arena, struct, scratch) -> {
          MemorySegment path = NativeIndex.path(arena, dir);
          return RuvectorH.ruv_bundle_read(path, path.byteSize(), struct, scratch.error);
        });
  }

  /** Writes the sidecar of a folder. */
  public void write(Path dir) {
    NativeLibrary.require();
    NativeIndex.longCall(
        (arena, scratch) -> {
          MemorySegment path = NativeIndex.path(arena, dir);
          return RuvectorH.ruv_bundle_write(write(arena), path, path.byteSize(), scratch.error);
        });
  }

  /** The text of the sidecar. */
  public String json() {
    return text(
        RuvectorH.RUV_BUNDLE_BYTES() + 1,
        (struct, text, scratch) ->
            RuvectorH.ruv_bundle_json(struct, text, text.byteSize(), scratch.error));
  }

  /** The witness that the fields give. */
  public String witness() {
    return text(
        NativeLake.WITNESS_BYTES,
        (struct, text, scratch) ->
            RuvectorH.ruv_bundle_witness(struct, text, text.byteSize(), scratch.error));
  }

  /** A native call that writes a text with a NUL. */
  @FunctionalInterface
  private interface Write {
    int call(MemorySegment struct, MemorySegment text, Scratch scratch);
  }

  private String text(int capacity, Write write) {
    NativeLibrary.require();
    var written = new String[1];
    NativeIndex.longCall(
        (arena, scratch) -> {
          MemorySegment text = arena.allocate(capacity);
          int status = write.call(write(arena), text, scratch);
          written[0] = text.getString(0);
          return status;
        });
    return written[0];
  }
}
