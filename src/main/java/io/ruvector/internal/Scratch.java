package io.ruvector.internal;

import io.ruvector.internal.ffi.ruv_error;
import io.ruvector.internal.ffi.ruv_generation;
import io.ruvector.internal.ffi.ruv_search;
import io.ruvector.internal.ffi.ruv_served;
import io.ruvector.internal.ffi.ruv_stats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Off-heap memory for one native call: its structs, the copy of its query and its results.
 *
 * <p>Borrowed from a pool and given back by {@link #close()}, so that a search allocates only its
 * result. The pool is not thread-local: with virtual threads there may be millions of those, while
 * no more calls run at once than there are carriers. Its memory is the garbage collector's, since a
 * thread may end, or a pool be full, at any time.
 */
final class Scratch implements AutoCloseable {
  /** A scratch with room for more hits than this is not kept for the next call. */
  private static final int MAX_POOLED_HITS = 1 << 16;

  private static final int SLOTS = 64;

  /** Slots lie apart by a cache line of references, since each call writes two of them. */
  private static final int SPREAD = 16;

  private static final int FIRST_DIM = 1_024;
  private static final int FIRST_HITS = 128;
  private static final int WORDS = 8;

  private static final AtomicReferenceArray<Scratch> POOL =
      new AtomicReferenceArray<>(SLOTS * SPREAD);

  final MemorySegment error;
  final MemorySegment search;
  final MemorySegment stats;

  /** Room for small results: eight longs. */
  final MemorySegment words;

  /** A flag that stops the call when another thread sets it. */
  final MemorySegment cancel;

  private @Nullable MemorySegment served;
  private @Nullable MemorySegment observed;
  private MemorySegment query;
  private MemorySegment ids;
  private MemorySegment scores;
  private int home;

  private Scratch() {
    Arena arena = Arena.ofAuto();
    error = ruv_error.allocate(arena);
    search = ruv_search.allocate(arena);
    stats = ruv_stats.allocate(arena);
    words = arena.allocate(ValueLayout.JAVA_LONG, WORDS);
    cancel = arena.allocate(ValueLayout.JAVA_INT);
    query = arena.allocate(ValueLayout.JAVA_FLOAT, FIRST_DIM);
    ids = arena.allocate(ValueLayout.JAVA_LONG, FIRST_HITS);
    scores = arena.allocate(ValueLayout.JAVA_FLOAT, FIRST_HITS);
  }

  /** A scratch that no other call has. */
  static Scratch borrow() {
    int home = (int) ((Thread.currentThread().threadId() * 0x9E3779B97F4A7C15L) >>> 58);
    for (int i = 0; i < SLOTS; i++) {
      int slot = (home + i) % SLOTS;
      if (POOL.get(slot * SPREAD) != null) {
        Scratch scratch = POOL.getAndSet(slot * SPREAD, null);
        if (scratch != null) {
          scratch.home = slot;
          return scratch;
        }
      }
    }
    var scratch = new Scratch();
    scratch.home = home;
    return scratch;
  }

  /** Room for what a lake serves. */
  MemorySegment served() {
    if (served == null) {
      served = ruv_served.allocate(Arena.ofAuto());
    }
    return served;
  }

  /** Room for a generation. */
  MemorySegment observed() {
    if (observed == null) {
      observed = ruv_generation.allocate(Arena.ofAuto());
    }
    return observed;
  }

  /** Gives the memory back to the pool. */
  @Override
  public void close() {
    if (ids.byteSize() > Long.BYTES * (long) MAX_POOLED_HITS) {
      return;
    }
    for (int i = 0; i < SLOTS; i++) {
      if (POOL.compareAndSet(((home + i) % SLOTS) * SPREAD, null, this)) {
        return;
      }
    }
  }

  /** A copy of the query. */
  MemorySegment query(float[] vector) {
    if (vector.length > query.byteSize() / Float.BYTES) {
      query = Arena.ofAuto().allocate(ValueLayout.JAVA_FLOAT, Checks.MAX_DIM);
    }
    MemorySegment.copy(vector, 0, query, ValueLayout.JAVA_FLOAT, 0, vector.length);
    return query;
  }

  /** Makes room for the results of a search. */
  void hits(int k) {
    if (k > scores.byteSize() / Float.BYTES) {
      int room = k > MAX_POOLED_HITS ? k : Integer.highestOneBit(k - 1) << 1;
      Arena arena = Arena.ofAuto();
      ids = arena.allocate(ValueLayout.JAVA_LONG, room);
      scores = arena.allocate(ValueLayout.JAVA_FLOAT, room);
    }
  }

  /** Room for a 32-bit count for each query of a batch, instead of ids. */
  MemorySegment counts(long queries) {
    hits(Math.toIntExact((queries + 1) / 2));
    return ids;
  }

  MemorySegment ids() {
    return ids;
  }

  MemorySegment scores() {
    return scores;
  }
}
