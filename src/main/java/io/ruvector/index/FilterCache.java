package io.ruvector.index;

import io.ruvector.internal.NativeFilter;
import java.util.ArrayDeque;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/**
 * The last few filters that the searches of one index used, so that a filter that is used again, or
 * made again for each search, has its bitmap already.
 */
final class FilterCache {
  /** A bitmap takes a bit for each row: eight of them are a byte for each. */
  private static final int CAPACITY = 8;

  /** Most recently used first. */
  private final ArrayDeque<Entry> entries = new ArrayDeque<>(CAPACITY + 1);

  /** A filter that stays open while a search uses it. */
  final class Entry implements AutoCloseable {
    private final IdFilter filter;
    private final NativeFilter prepared;
    private int users;
    private boolean evicted;

    Entry(IdFilter filter) {
      this.filter = filter;
      this.prepared = filter.toNative();
    }

    NativeFilter prepared() {
      return prepared;
    }

    @Override
    public void close() {
      synchronized (FilterCache.this) {
        users--;
        closeIfUnused();
      }
    }

    private void closeIfUnused() {
      if (evicted && users == 0) {
        prepared.close();
      }
    }

    private void evict() {
      evicted = true;
      closeIfUnused();
    }
  }

  /** The native filter, to be closed by its user after the search; null for no filter. */
  synchronized @Nullable Entry acquire(@Nullable IdFilter filter) {
    if (filter == null) {
      return null;
    }
    Entry entry = take(filter);
    if (entry == null) {
      entry = new Entry(filter);
    }
    entry.users++;
    entries.addFirst(entry);
    if (entries.size() > CAPACITY) {
      entries.removeLast().evict();
    }
    return entry;
  }

  private @Nullable Entry take(IdFilter filter) {
    Entry first = entries.peekFirst();
    if (first != null && first.filter.equals(filter)) {
      return entries.removeFirst();
    }
    for (Iterator<Entry> i = entries.iterator(); i.hasNext(); ) {
      Entry entry = i.next();
      if (entry.filter.equals(filter)) {
        i.remove();
        return entry;
      }
    }
    return null;
  }

  synchronized void clear() {
    entries.forEach(Entry::evict);
    entries.clear();
  }
}
