package io.ruvector.internal;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A native object and its lifetime: its pointer lives in a shared arena that frees it.
 *
 * <p>Any thread may close it at any time. A downcall that is given the pointer keeps the arena open
 * until it returns; a pointer that travels inside a struct is not seen by that, and is {@linkplain
 * #pin() pinned} instead.
 *
 * <p>Whoever passes the pointer down must end in {@link Reference#reachabilityFence} on the handle
 * or on an object that holds it: compiled code gives an object up after its last use, which is
 * before the call returns, and the Cleaner would then free in mid-call.
 */
final class NativeHandle {
  private static final Logger LOG = LoggerFactory.getLogger(NativeHandle.class);
  private static final Cleaner CLEANER = Cleaner.create();
  private static final AtomicLong FORGOTTEN = new AtomicLong();

  private final MemorySegment pointer;
  private final Lifetime lifetime;
  private final Cleaner.Cleanable cleanable;

  /**
   * Takes a native object over.
   *
   * @param name the object in the messages, as in {@code "RabitqIndex"}
   * @param address what the native constructor returned
   * @param free the native destructor
   */
  NativeHandle(String name, MemorySegment address, Consumer<MemorySegment> free) {
    lifetime = new Lifetime(name, free);
    pointer = address.reinterpret(lifetime.arena, lifetime::free);
    cleanable = CLEANER.register(this, lifetime);
  }

  /** The state that outlives the handle; it must not refer to it, or no Cleaner would run. */
  static final class Lifetime implements Runnable {
    private final String name;
    private final Consumer<MemorySegment> free;
    private final Arena arena = Arena.ofShared();
    private final AtomicInteger pins = new AtomicInteger();
    private volatile boolean closed;
    private volatile boolean explicit;
    private volatile boolean transferred;

    Lifetime(String name, Consumer<MemorySegment> free) {
      this.name = name;
      this.free = free;
    }

    private void free(MemorySegment address) {
      if (!transferred) {
        free.accept(address);
      }
    }

    /** Runs once: by {@link NativeHandle#close}, or by the Cleaner where that was forgotten. */
    @Override
    public void run() {
      closed = true;
      if (!explicit) {
        FORGOTTEN.incrementAndGet();
        LOG.debug("{} was not closed: freed after a garbage collection", name);
      }
      if (!tryFree()) {
        Reaper.add(this);
      }
    }

    /**
     * Frees the object, unless a call is inside; then false. One thread at a time: a transfer must
     * not begin while a close is under way.
     */
    synchronized boolean tryFree() {
      if (pins.get() != 0) {
        return false;
      }
      try {
        arena.close();
        return true;
      } catch (IllegalStateException busy) {
        return !arena.scope().isAlive();
      }
    }
  }

  /** How many handles were freed by the Cleaner because nobody closed them. */
  static long forgotten() {
    return FORGOTTEN.get();
  }

  /**
   * The pointer, for a downcall.
   *
   * @throws IllegalStateException if the handle is closed
   */
  MemorySegment pointer() {
    if (lifetime.closed) {
      throw closedException();
    }
    return pointer;
  }

  boolean isClosed() {
    return lifetime.closed;
  }

  private IllegalStateException closedException() {
    return new IllegalStateException(
        "%s is %s"
            .formatted(lifetime.name, lifetime.transferred ? "adopted by an index" : "closed"));
  }

  /**
   * Keeps the object until {@link #unpin()}, for a pointer that travels inside a struct.
   *
   * @throws IllegalStateException if the handle is closed
   */
  MemorySegment pin() {
    lifetime.pins.incrementAndGet();
    // After the increment: either this sees the flag, or the one who frees sees the pin.
    if (lifetime.closed) {
      lifetime.pins.decrementAndGet();
      throw closedException();
    }
    return pointer;
  }

  void unpin() {
    lifetime.pins.decrementAndGet();
  }

  /** Frees the object, now or when the last call inside has returned. Never throws or waits. */
  void close() {
    lifetime.explicit = true;
    cleanable.clean();
  }

  /** Memory that belongs to the object and dies with the handle. */
  MemorySegment memory(MemorySegment address, long bytes) {
    return address.reinterpret(bytes, lifetime.arena, null);
  }

  /**
   * Ends the handle without freeing the object, which passes to whom the address is given next.
   *
   * @throws IllegalStateException if the handle is closed, or its memory is in use
   */
  MemorySegment transfer() {
    MemorySegment address;
    synchronized (lifetime) {
      address = MemorySegment.ofAddress(pointer().address());
      lifetime.transferred = true;
      if (!lifetime.tryFree()) {
        lifetime.transferred = false;
        throw new IllegalStateException("%s is in use by another call".formatted(lifetime.name));
      }
      // Within the lock, or a second transfer would begin before the first is seen.
      lifetime.closed = true;
    }
    close();
    return address;
  }
}
