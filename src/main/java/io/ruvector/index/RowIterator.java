package io.ruvector.index;

import io.ruvector.internal.NativeIndex;
import io.ruvector.internal.NativeIterator;
import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** The rows of one snapshot of an index, fetched in batches; closed by itself at the end. */
final class RowIterator<T> implements Iterator<T>, AutoCloseable {
  /** A batch of rows is about so large, so that a crossing costs little for each row. */
  private static final int BATCH_BYTES = 1 << 16;

  private static final int MAX_BATCH = 1_024;

  /** Fetches the next rows: an empty array at the end. */
  @FunctionalInterface
  private interface Source<T> {
    T[] next(NativeIterator rows);
  }

  private final NativeIterator rows;
  private final Source<T> source;
  private T[] batch;
  private int next;
  private boolean ended;

  private RowIterator(NativeIterator rows, Source<T> source, T[] empty) {
    this.rows = rows;
    this.source = source;
    this.batch = empty;
  }

  static RowIterator<IdVector> ofVectors(NativeIndex index, int dim) {
    int max = batch(dim * Float.BYTES);
    return begun(
        NativeIterator.of(index),
        rows -> {
          NativeIterator.Vectors found = rows.nextVectors(max, dim);
          IdVector[] vectors = new IdVector[found.ids().length];
          for (int i = 0; i < vectors.length; i++) {
            vectors[i] =
                new IdVector(
                    found.ids()[i], Arrays.copyOfRange(found.components(), i * dim, (i + 1) * dim));
          }
          return vectors;
        },
        new IdVector[0]);
  }

  static RowIterator<RowCode> ofCodes(NativeIndex index, int codeBytes) {
    int max = batch(codeBytes);
    return begun(
        NativeIterator.of(index),
        rows -> {
          NativeIterator.Codes found = rows.nextCodes(max, codeBytes);
          RowCode[] codes = new RowCode[found.ids().length];
          for (int i = 0; i < codes.length; i++) {
            int factor = i * NativeIterator.FACTORS;
            codes[i] =
                new RowCode(
                    found.ids()[i],
                    Arrays.copyOfRange(found.packed(), i * codeBytes, (i + 1) * codeBytes),
                    found.factors()[factor],
                    found.factors()[factor + 1],
                    found.factors()[factor + 2]);
          }
          return codes;
        },
        new RowCode[0]);
  }

  /** Fetches at once, so that an index without such rows is refused here, not at the first row. */
  private static <T> RowIterator<T> begun(NativeIterator rows, Source<T> source, T[] empty) {
    var iterator = new RowIterator<>(rows, source, empty);
    try {
      iterator.fetch();
      return iterator;
    } catch (RuntimeException e) {
      iterator.close();
      throw e;
    }
  }

  private static int batch(int rowBytes) {
    return Math.clamp(BATCH_BYTES / Math.max(1, rowBytes), 1, MAX_BATCH);
  }

  @Override
  public boolean hasNext() {
    if (next == batch.length && !ended) {
      fetch();
    }
    return next < batch.length;
  }

  private void fetch() {
    batch = source.next(rows);
    next = 0;
    if (batch.length == 0) {
      ended = true;
      close();
    }
  }

  @Override
  public T next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    return batch[next++];
  }

  Stream<T> stream() {
    int traits = Spliterator.ORDERED | Spliterator.NONNULL | Spliterator.IMMUTABLE;
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(this, traits), false)
        .onClose(this::close);
  }

  @Override
  public void close() {
    rows.close();
  }
}
