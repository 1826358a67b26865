package io.ruvector.internal;

import io.ruvector.internal.ffi.RuvectorH;
import io.ruvector.internal.ffi.ruv_index_info;
import io.ruvector.internal.ffi.ruv_index_options;
import io.ruvector.internal.ffi.ruv_search;
import io.ruvector.internal.ffi.ruv_stats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A native index: one method for each native function, with the pointer kept alive around it.
 *
 * <p>Arguments have been checked by the public classes; what is left to check is the native side's.
 */
public final class NativeIndex {
  private static final MemorySegment NULL = MemorySegment.NULL;

  private final NativeHandle handle;

  private NativeIndex(String name, MemorySegment address) {
    handle = new NativeHandle(name, address, RuvectorH::ruv_index_free);
  }

  /** What an index is made of, in the native side's numbers. */
  public record Options(
      int kind,
      int metric,
      int dim,
      int bits,
      int originals,
      int rerankFactor,
      float epsilon,
      int nlist,
      int nprobe,
      long seed) {
    MemorySegment allocate(Arena arena) {
      MemorySegment struct = ruv_index_options.allocate(arena);
      ruv_index_options.kind(struct, kind);
      ruv_index_options.metric(struct, metric);
      ruv_index_options.dim(struct, dim);
      ruv_index_options.bits(struct, bits);
      ruv_index_options.originals(struct, originals);
      ruv_index_options.rerank_factor(struct, rerankFactor);
      ruv_index_options.epsilon(struct, epsilon);
      ruv_index_options.nlist(struct, nlist);
      ruv_index_options.nprobe(struct, nprobe);
      ruv_index_options.seed(struct, seed);
      return struct;
    }
  }

  /** What an index is and holds, in the native side's numbers. */
  public record Info(
      Options options,
      int segments,
      long rows,
      long deleted,
      long memoryBytes,
      long mappedBytes,
      long version,
      long codeBytes,
      long cells) {}

  /** A view of rows: where they lie, how many, how long and how far apart in bytes. */
  public record Rows(MemorySegment data, long rows, int dim, long stride) {
    Rows lent() {
      return new Rows(SearchPool.lend(data), rows, dim, stride);
    }
  }

  /** The same for rows in a file. */
  public record FileRows(Path path, long offset, long rows, int dim, long stride) {}

  /** Ids in memory, or counted up from the first where there are none. */
  public record RowIds(MemorySegment given, long first) {
    RowIds lent() {
      return new RowIds(SearchPool.lend(given), first);
    }

    public static RowIds from(long first) {
      return new RowIds(NULL, first);
    }
  }

  /**
   * How to search: NaN and 0 stand for the index's defaults, 0 for no target of the recall, and 0
   * nanoseconds for no deadline.
   */
  public record Parameters(
      float recall,
      float epsilon,
      int rerankFactor,
      int nprobe,
      @Nullable NativeFilter filter,
      long timeoutNanos,
      @Nullable Cancellation cancellation) {
    public static final Parameters DEFAULTS = new Parameters(0, Float.NaN, 0, 0, null, 0, null);
  }

  /** Makes the public result from its parts, without an object in between. */
  @FunctionalInterface
  public interface HitsFactory<R> {
    R create(long[] ids, float[] scores, long probed, long scanned, long estimated, long reranked);
  }

  /** The same for what a batch search did. */
  @FunctionalInterface
  public interface StatsFactory<R> {
    R create(long probed, long scanned, long estimated, long reranked);
  }

  /** The same for a range search. */
  @FunctionalInterface
  public interface RangeFactory<R> {
    R create(
        long[] ids,
        float[] scores,
        float[] bounds,
        boolean[] certain,
        boolean truncated,
        long probed,
        long scanned,
        long estimated,
        long reranked);
  }

  /** A native constructor, which writes its pointer to {@code out}. */
  @FunctionalInterface
  private interface Constructor {
    int construct(Arena arena, MemorySegment out, MemorySegment error);
  }

  /** An index that a lake serves. */
  static NativeIndex shared(MemorySegment address) {
    return new NativeIndex("the lake's index", address);
  }

  private static NativeIndex construct(String name, Constructor constructor) {
    NativeLibrary.require();
    return SearchPool.call(
        () -> {
          try (var arena = Arena.ofConfined();
              var scratch = Scratch.borrow()) {
            Status.check(constructor.construct(arena, scratch.words, scratch.error), scratch.error);
            return new NativeIndex(name, scratch.words.get(ValueLayout.ADDRESS, 0));
          }
        });
  }

  public static NativeIndex create(String name, Options options) {
    return construct(
        name,
        (arena, out, error) -> RuvectorH.ruv_index_create(options.allocate(arena), out, error));
  }

  public static NativeIndex build(String name, Options options, Rows rows, RowIds ids) {
    Rows lent = rows.lent();
    RowIds lentIds = ids.lent();
    return construct(
        name,
        (arena, out, error) ->
            RuvectorH.ruv_index_build(
                options.allocate(arena),
                lent.data,
                lent.rows,
                lent.dim,
                lent.stride,
                lentIds.given,
                lentIds.first,
                NULL,
                out,
                error));
  }

  /** The buffer is dead afterwards, whether this fails or not. */
  public static NativeIndex adopt(String name, Options options, NativeBuffer buffer, RowIds ids) {
    MemorySegment rows = buffer.transfer();
    RowIds lentIds = ids.lent();
    return construct(
        name,
        (arena, out, error) ->
            RuvectorH.ruv_index_adopt(
                options.allocate(arena), rows, lentIds.given, lentIds.first, NULL, out, error));
  }

  public static NativeIndex buildMapped(String name, Options options, FileRows rows, RowIds ids) {
    RowIds lentIds = ids.lent();
    return construct(
        name,
        (arena, out, error) -> {
          MemorySegment path = path(arena, rows.path);
          return RuvectorH.ruv_index_build_mapped(
              options.allocate(arena),
              path,
              path.byteSize(),
              rows.offset,
              rows.rows,
              rows.stride,
              lentIds.given,
              lentIds.first,
              NULL,
              out,
              error);
        });
  }

  /** Opens a saved index; {@code mode} is a {@code ruv_open_mode}. */
  public static NativeIndex open(String name, Path file, int mode, boolean verify) {
    return construct(
        name,
        (arena, out, error) -> {
          MemorySegment path = path(arena, file);
          return RuvectorH.ruv_index_open(path, path.byteSize(), mode, verify ? 1 : 0, out, error);
        });
  }

  /** Writes the index of a file's rows to the target. */
  public static void buildTo(
      Path target, Options options, FileRows rows, RowIds ids, long maxBytes) {
    NativeLibrary.require();
    RowIds lentIds = ids.lent();
    longCall(
        (arena, scratch) -> {
          MemorySegment source = path(arena, rows.path);
          MemorySegment path = path(arena, target);
          return RuvectorH.ruv_index_build_to(
              options.allocate(arena),
              source,
              source.byteSize(),
              rows.offset,
              rows.rows,
              rows.stride,
              lentIds.given,
              lentIds.first,
              path,
              path.byteSize(),
              maxBytes,
              NULL,
              scratch.error);
        });
  }

  public static NativeIndex importRbpx(String name, Path file, @Nullable Options options) {
    return construct(
        name,
        (arena, out, error) -> {
          MemorySegment path = path(arena, file);
          return RuvectorH.ruv_rbpx_import(
              path, path.byteSize(), options == null ? NULL : options.allocate(arena), out, error);
        });
  }

  public static void verify(Path file) {
    NativeLibrary.require();
    longCall(
        (arena, scratch) -> {
          MemorySegment path = path(arena, file);
          return RuvectorH.ruv_index_verify(path, path.byteSize(), scratch.error);
        });
  }

  /** A native call that may take milliseconds or more. */
  @FunctionalInterface
  interface LongCall {
    int call(Arena arena, Scratch scratch);
  }

  /** Returns the first of the words that the call wrote. */
  static long longCall(LongCall call) {
    return SearchPool.call(
        () -> {
          try (var arena = Arena.ofConfined();
              var scratch = Scratch.borrow()) {
            Status.check(call.call(arena, scratch), scratch.error);
            return scratch.words.get(ValueLayout.JAVA_LONG, 0);
          }
        });
  }

  static MemorySegment path(Arena arena, Path path) {
    if (!path.getFileSystem().equals(FileSystems.getDefault())) {
      throw Checks.illegal("path", path.toUri(), "a file of the default file system");
    }
    byte[] text = path.toAbsolutePath().toString().getBytes(StandardCharsets.UTF_8);
    return arena.allocateFrom(ValueLayout.JAVA_BYTE, text);
  }

  /** For a downcall of another class of this package, which fences this object after it. */
  MemorySegment pointer() {
    return handle.pointer();
  }

  public void close() {
    handle.close();
  }

  public boolean isClosed() {
    return handle.isClosed();
  }

  public Info info() {
    try (var arena = Arena.ofConfined();
        var scratch = Scratch.borrow()) {
      MemorySegment info = ruv_index_info.allocate(arena);
      Status.check(
          RuvectorH.ruv_index_info_get(handle.pointer(), info, scratch.error), scratch.error);
      return new Info(
          new Options(
              ruv_index_info.kind(info),
              ruv_index_info.metric(info),
              ruv_index_info.dim(info),
              ruv_index_info.bits(info),
              ruv_index_info.originals(info),
              ruv_index_info.rerank_factor(info),
              ruv_index_info.epsilon(info),
              ruv_index_info.nlist(info),
              ruv_index_info.nprobe(info),
              ruv_index_info.seed(info)),
          ruv_index_info.segments(info),
          ruv_index_info.rows(info),
          ruv_index_info.deleted(info),
          ruv_index_info.memory_bytes(info),
          ruv_index_info.mapped_bytes(info),
          ruv_index_info.version(info),
          ruv_index_info.code_bytes(info),
          ruv_index_info.cells(info));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void add(Rows rows, RowIds ids) {
    Rows lent = rows.lent();
    RowIds lentIds = ids.lent();
    try {
      longCall(
          (arena, scratch) ->
              RuvectorH.ruv_index_add(
                  handle.pointer(),
                  lent.data,
                  lent.rows,
                  lent.dim,
                  lent.stride,
                  lentIds.given,
                  lentIds.first,
                  scratch.error));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** Returns how many of the ids were there before. */
  public long upsert(Rows rows, RowIds ids) {
    Rows lent = rows.lent();
    RowIds lentIds = ids.lent();
    try {
      return longCall(
          (arena, scratch) ->
              RuvectorH.ruv_index_upsert(
                  handle.pointer(),
                  lent.data,
                  lent.rows,
                  lent.dim,
                  lent.stride,
                  lentIds.given,
                  lentIds.first,
                  scratch.words,
                  scratch.error));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** Returns how many of the ids were there. */
  public long remove(long[] ids) {
    try {
      return longCall(
          (arena, scratch) ->
              RuvectorH.ruv_index_remove(
                  handle.pointer(),
                  arena.allocateFrom(ValueLayout.JAVA_LONG, ids),
                  ids.length,
                  scratch.words,
                  scratch.error));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void compact() {
    try {
      longCall((arena, scratch) -> RuvectorH.ruv_index_compact(handle.pointer(), scratch.error));
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public <R> R search(float[] query, int k, Parameters parameters, HitsFactory<R> factory) {
    try (var scratch = Scratch.borrow()) {
      scratch.hits(k);
      int n = search(scratch, scratch.query(query), query.length, k, parameters);
      return result(scratch, n, factory);
    }
  }

  public <R> R search(
      MemorySegment query, int dim, int k, Parameters parameters, HitsFactory<R> factory) {
    try (var scratch = Scratch.borrow()) {
      scratch.hits(k);
      int n = search(scratch, query, dim, k, parameters);
      return result(scratch, n, factory);
    }
  }

  /** Writes the hits into the caller's arrays; returns how many there are. */
  public int search(float[] query, int k, Parameters parameters, long[] ids, float[] scores) {
    try (var scratch = Scratch.borrow()) {
      scratch.hits(k);
      int n = search(scratch, scratch.query(query), query.length, k, parameters);
      copy(scratch, n, ids, scores);
      return n;
    }
  }

  /** The same with a query in native memory. */
  public int search(
      MemorySegment query, int dim, int k, Parameters parameters, long[] ids, float[] scores) {
    try (var scratch = Scratch.borrow()) {
      scratch.hits(k);
      int n = search(scratch, query, dim, k, parameters);
      copy(scratch, n, ids, scores);
      return n;
    }
  }

  private static <R> R result(Scratch scratch, int n, HitsFactory<R> factory) {
    long[] ids = new long[n];
    float[] scores = new float[n];
    copy(scratch, n, ids, scores);
    return factory.create(
        ids,
        scores,
        ruv_stats.probed(scratch.stats),
        ruv_stats.scanned(scratch.stats),
        ruv_stats.estimated(scratch.stats),
        ruv_stats.reranked(scratch.stats));
  }

  private static void copy(Scratch scratch, int n, long[] ids, float[] scores) {
    MemorySegment.copy(scratch.ids(), ValueLayout.JAVA_LONG, 0, ids, 0, n);
    MemorySegment.copy(scratch.scores(), ValueLayout.JAVA_FLOAT, 0, scores, 0, n);
  }

  private int search(Scratch scratch, MemorySegment query, int dim, int k, Parameters parameters) {
    begin(scratch, k, parameters);
    try {
      Status.check(
          RuvectorH.ruv_index_search(
              handle.pointer(),
              scratch.search,
              query,
              dim,
              scratch.ids(),
              scratch.scores(),
              scratch.stats,
              scratch.error),
          scratch.error);
      return Math.toIntExact(ruv_stats.hits(scratch.stats));
    } finally {
      end(parameters);
      Reference.reachabilityFence(this);
    }
  }

  /** Fills the request's struct; what it points to lives until {@link #end}. */
  private static void begin(Scratch scratch, int k, Parameters parameters) {
    MemorySegment struct = scratch.search;
    ruv_search.k(struct, k);
    ruv_search.recall(struct, parameters.recall);
    ruv_search.epsilon(struct, parameters.epsilon);
    ruv_search.rerank_factor(struct, parameters.rerankFactor);
    ruv_search.nprobe(struct, parameters.nprobe);
    ruv_search.deadline_nanos(struct, parameters.timeoutNanos);
    // The pin first, since it fails where the filter is closed: then there is nothing to undo.
    NativeFilter filter = parameters.filter;
    ruv_search.filter(struct, filter == null ? NULL : filter.pin());
    Cancellation cancellation = parameters.cancellation;
    ruv_search.cancel(struct, cancellation == null ? NULL : scratch.cancel);
    if (cancellation != null) {
      cancellation.begin(scratch);
    }
  }

  private static void end(Parameters parameters) {
    if (parameters.filter != null) {
      parameters.filter.unpin();
    }
    if (parameters.cancellation != null) {
      parameters.cancellation.end();
    }
  }

  /**
   * Searches for each row of the queries, with results in the caller's memory: k places each.
   *
   * @param counts 32 bits for each query, or null where nobody asks for them
   */
  public <R> R searchBatch(
      Rows queries,
      int k,
      Parameters parameters,
      MemorySegment ids,
      MemorySegment scores,
      @Nullable MemorySegment counts,
      StatsFactory<R> factory) {
    Rows lent = queries.lent();
    MemorySegment lentIds = SearchPool.lend(ids);
    MemorySegment lentScores = SearchPool.lend(scores);
    MemorySegment lentCounts = counts == null ? null : SearchPool.lend(counts);
    try {
      return SearchPool.call(
          () -> {
            try (var scratch = Scratch.borrow()) {
              MemorySegment hits = lentCounts != null ? lentCounts : scratch.counts(lent.rows);
              begin(scratch, k, parameters);
              try {
                Status.check(
                    RuvectorH.ruv_index_search_batch(
                        handle.pointer(),
                        scratch.search,
                        lent.data,
                        lent.rows,
                        lent.dim,
                        lent.stride,
                        lentIds,
                        lentScores,
                        hits,
                        scratch.stats,
                        scratch.error),
                    scratch.error);
              } finally {
                end(parameters);
              }
              return factory.create(
                  ruv_stats.probed(scratch.stats),
                  ruv_stats.scanned(scratch.stats),
                  ruv_stats.estimated(scratch.stats),
                  ruv_stats.reranked(scratch.stats));
            }
          });
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** Finds the rows within the radius, up to the limit. */
  public <R> R searchRange(
      float[] query, float radius, int limit, Parameters parameters, RangeFactory<R> factory) {
    return SearchPool.call(
        () -> {
          try (var arena = Arena.ofConfined();
              var scratch = Scratch.borrow()) {
            MemorySegment bounds = arena.allocate(ValueLayout.JAVA_FLOAT, limit);
            MemorySegment certain = arena.allocate(ValueLayout.JAVA_BYTE, limit);
            scratch.hits(limit);
            begin(scratch, 1, parameters);
            try {
              Status.check(
                  RuvectorH.ruv_index_search_range(
                      handle.pointer(),
                      scratch.search,
                      scratch.query(query),
                      query.length,
                      radius,
                      limit,
                      scratch.ids(),
                      scratch.scores(),
                      bounds,
                      certain,
                      scratch.stats,
                      scratch.error),
                  scratch.error);
            } finally {
              end(parameters);
              Reference.reachabilityFence(this);
            }
            return range(scratch, bounds, certain, factory);
          }
        });
  }

  private static <R> R range(
      Scratch scratch, MemorySegment bounds, MemorySegment certain, RangeFactory<R> factory) {
    int n = Math.toIntExact(ruv_stats.hits(scratch.stats));
    long[] ids = new long[n];
    float[] scores = new float[n];
    copy(scratch, n, ids, scores);
    float[] ownBounds = new float[n];
    MemorySegment.copy(bounds, ValueLayout.JAVA_FLOAT, 0, ownBounds, 0, n);
    boolean[] ownCertain = new boolean[n];
    for (int i = 0; i < n; i++) {
      ownCertain[i] = certain.get(ValueLayout.JAVA_BYTE, i) != 0;
    }
    return factory.create(
        ids,
        scores,
        ownBounds,
        ownCertain,
        ruv_stats.truncated(scratch.stats) != 0,
        ruv_stats.probed(scratch.stats),
        ruv_stats.scanned(scratch.stats),
        ruv_stats.estimated(scratch.stats),
        ruv_stats.reranked(scratch.stats));
  }

  public boolean contains(long id) {
    try (var scratch = Scratch.borrow()) {
      Status.check(
          RuvectorH.ruv_index_contains(handle.pointer(), id, scratch.words, scratch.error),
          scratch.error);
      return scratch.words.get(ValueLayout.JAVA_INT, 0) != 0;
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** The vector of the id, bit for bit; null if there is none. */
  public float @Nullable [] get(long id, int dim) {
    try (var arena = Arena.ofConfined();
        var scratch = Scratch.borrow()) {
      MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, dim);
      int status = RuvectorH.ruv_index_get(handle.pointer(), id, out, dim, scratch.error);
      if (status == Status.NOT_FOUND) {
        return null;
      }
      Status.check(status, scratch.error);
      return out.toArray(ValueLayout.JAVA_FLOAT);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void save(Path file) {
    try {
      longCall(
          (arena, scratch) -> {
            MemorySegment path = path(arena, file);
            return RuvectorH.ruv_index_save(handle.pointer(), path, path.byteSize(), scratch.error);
          });
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public void exportRbpx(Path file) {
    try {
      longCall(
          (arena, scratch) -> {
            MemorySegment path = path(arena, file);
            return RuvectorH.ruv_rbpx_export(
                handle.pointer(), path, path.byteSize(), scratch.error);
          });
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public boolean contentEquals(NativeIndex other) {
    try {
      return (int)
              longCall(
                  (arena, scratch) ->
                      RuvectorH.ruv_index_content_equals(
                          handle.pointer(), other.pointer(), scratch.words, scratch.error))
          != 0;
    } finally {
      Reference.reachabilityFence(this);
      Reference.reachabilityFence(other);
    }
  }

  public float[] rotate(float[] vector, boolean inverse) {
    try (var arena = Arena.ofConfined();
        var scratch = Scratch.borrow()) {
      MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, vector.length);
      Status.check(
          RuvectorH.ruv_index_rotate(
              handle.pointer(),
              scratch.query(vector),
              out,
              vector.length,
              inverse ? 1 : 0,
              scratch.error),
          scratch.error);
      return out.toArray(ValueLayout.JAVA_FLOAT);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** For the tests: panics in the native code, inside a change of this index if asked so. */
  void panic(boolean mutation) {
    try (var scratch = Scratch.borrow()) {
      Status.check(
          RuvectorH.ruv_test_panic(handle.pointer(), mutation ? 1 : 0, scratch.error),
          scratch.error);
    } finally {
      Reference.reachabilityFence(this);
    }
  }
}
