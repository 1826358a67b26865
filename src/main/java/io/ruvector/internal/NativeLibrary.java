package io.ruvector.internal;

import io.ruvector.NativeLibraryException;
import io.ruvector.internal.ffi.RuvectorH;
import io.ruvector.internal.ffi.ruv_bundle;
import io.ruvector.internal.ffi.ruv_cache_stats;
import io.ruvector.internal.ffi.ruv_consistency;
import io.ruvector.internal.ffi.ruv_error;
import io.ruvector.internal.ffi.ruv_generation;
import io.ruvector.internal.ffi.ruv_index_info;
import io.ruvector.internal.ffi.ruv_index_options;
import io.ruvector.internal.ffi.ruv_lake_options;
import io.ruvector.internal.ffi.ruv_recommendation;
import io.ruvector.internal.ffi.ruv_search;
import io.ruvector.internal.ffi.ruv_served;
import io.ruvector.internal.ffi.ruv_stats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The native library as a whole: whether it fits the Java code, its facts and its threads. */
public final class NativeLibrary {
  private NativeLibrary() {}

  /**
   * The structs that cross the boundary, in the order of {@code ruv_struct_size}'s numbers. Their
   * layouts need native access, so nothing but the check touches them first.
   */
  private static List<MemoryLayout> structs() {
    return List.of(
        ruv_error.layout(),
        ruv_index_options.layout(),
        ruv_search.layout(),
        ruv_stats.layout(),
        ruv_index_info.layout(),
        ruv_recommendation.layout(),
        ruv_generation.layout(),
        ruv_lake_options.layout(),
        ruv_consistency.layout(),
        ruv_served.layout(),
        ruv_cache_stats.layout(),
        ruv_bundle.layout());
  }

  private static final class Holder {
    /** Only ever thrown as a copy, with the stack of the call that meets it. */
    @SuppressWarnings("StaticAssignmentOfThrowable")
    static final @Nullable NativeLibraryException FAILURE = check();

    private static @Nullable NativeLibraryException check() {
      try {
        NativeLoader.lookup();
        List<String> differences = differences();
        return differences.isEmpty()
            ? null
            : new NativeLibraryException(
                "%s is not the library that this jar was made for; what differs:"
                    .formatted(NativeLoader.location()),
                differences,
                null);
      } catch (NativeLibraryException e) {
        return e;
      } catch (LinkageError e) {
        return new NativeLibraryException(
            "%s is not the library that this jar was made for".formatted(NativeLoader.location()),
            List.of(),
            e);
      }
    }

    /** The ABI number first: with another number, nothing else can be asked safely. */
    private static List<String> differences() {
      int abi = RuvectorH.ruv_abi_version();
      if (abi != RuvectorH.RUV_ABI_VERSION()) {
        return List.of(
            "ABI number: the library has %d, the jar needs %d"
                .formatted(abi, RuvectorH.RUV_ABI_VERSION()));
      }
      List<String> differences = new ArrayList<>();
      List<MemoryLayout> structs = structs();
      for (int which = 0; which < structs.size(); which++) {
        MemoryLayout struct = structs.get(which);
        long size = RuvectorH.ruv_struct_size(which);
        if (size != struct.byteSize()) {
          differences.add(
              "size of %s: the library has %d bytes, the jar needs %d"
                  .formatted(struct.name().orElse("?"), size, struct.byteSize()));
        }
      }
      return differences;
    }
  }

  /**
   * Loads the library if that has not been done. Each path to native code that does not start from
   * a live handle starts here, so that a failure is told in full, each time.
   */
  static void require() {
    if (Holder.FAILURE != null) {
      throw NativeLoader.again(Holder.FAILURE);
    }
  }

  /** Text that a native function writes into a buffer, returning its whole length. */
  private interface Text {
    long write(MemorySegment buffer, long capacity);
  }

  private static String text(Text source) {
    require();
    try (var arena = Arena.ofConfined()) {
      long capacity = source.write(MemorySegment.NULL, 0) + 1;
      MemorySegment buffer = arena.allocate(capacity);
      source.write(buffer, capacity);
      return buffer.getString(0, StandardCharsets.UTF_8);
    }
  }

  /** The number that library and jar agree on. */
  public static int abiVersion() {
    require();
    return RuvectorH.ruv_abi_version();
  }

  public static String version() {
    return text(RuvectorH::ruv_version);
  }

  public static String cpuFeatures() {
    return text(RuvectorH::ruv_cpu_features);
  }

  /** The SHA-256 of the Rust sources that the library was built from. */
  public static String sourceHash() {
    return text(RuvectorH::ruv_source_hash);
  }

  /** How many native objects of this process have not been freed. */
  public static long liveHandles() {
    require();
    return RuvectorH.ruv_live_handles();
  }

  public static void configure(int threads) {
    require();
    try (var scratch = Scratch.borrow()) {
      Status.check(RuvectorH.ruv_configure(threads, scratch.error), scratch.error);
    }
  }

  /** What the native model recommends: the codes of {@code ruv_recommendation}. */
  public record Recommended(
      int kind,
      int bits,
      int nlist,
      int nprobe,
      int rerankFactor,
      float epsilon,
      float expectedRecall,
      int rowBytes) {}

  public static Recommended recommend(long rows, int dim, float recall) {
    require();
    try (var arena = Arena.ofConfined();
        var scratch = Scratch.borrow()) {
      MemorySegment out = ruv_recommendation.allocate(arena);
      Status.check(RuvectorH.ruv_recommend(rows, dim, recall, out, scratch.error), scratch.error);
      return new Recommended(
          ruv_recommendation.kind(out),
          ruv_recommendation.bits(out),
          ruv_recommendation.nlist(out),
          ruv_recommendation.nprobe(out),
          ruv_recommendation.rerank_factor(out),
          ruv_recommendation.epsilon(out),
          ruv_recommendation.expected_recall(out),
          ruv_recommendation.row_bytes(out));
    }
  }
}
