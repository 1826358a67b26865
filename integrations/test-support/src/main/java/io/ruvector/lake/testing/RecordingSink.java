package io.ruvector.lake.testing;

import io.ruvector.index.Ids;
import io.ruvector.index.IdsOf;
import io.ruvector.index.Vectors;
import io.ruvector.lake.Generation;
import io.ruvector.lake.VectorSink;
import java.util.Arrays;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Keeps what a backend pushes, and fails where a lake would. */
public class RecordingSink implements VectorSink {
  private final TreeMap<Long, float[]> rows = new TreeMap<>();
  private Generation generation;
  private int dim;
  private int batches;

  @Override
  public void expect(long rows, int dim) {
    if (rows < 0 || dim < 1 || dim > 8_192) {
      throw new IllegalArgumentException("expect(%d, %d)".formatted(rows, dim));
    }
    sameDim(dim);
  }

  @Override
  public void snapshot(Generation generation) {
    if (this.generation != null) {
      throw new IllegalStateException("a second snapshot");
    }
    this.generation = generation;
  }

  @Override
  public void add(Vectors vectors, Ids ids) {
    sameDim(vectors.dim());
    long[] read = IdsOf.rows(ids, vectors.rows());
    for (int i = 0; i < read.length; i++) {
      if (rows.put(read[i], vectors.row(i)) != null) {
        throw new IllegalArgumentException("id %d came twice".formatted(read[i]));
      }
    }
    batches++;
  }

  private void sameDim(int given) {
    if (dim != 0 && dim != given) {
      throw new IllegalArgumentException("dim %d after %d".formatted(given, dim));
    }
    dim = given;
  }

  /** What came, by id. */
  public TreeMap<Long, float[]> rows() {
    return rows;
  }

  /** That of the snapshot, or null. */
  public Generation generation() {
    return generation;
  }

  /** The dimension that was said or came, or 0. */
  public int dim() {
    return dim;
  }

  /** In how many batches the rows came. */
  public int batches() {
    return batches;
  }

  /** Rows as text that tells every bit, for comparison. */
  public static String bits(TreeMap<Long, float[]> rows) {
    return rows.entrySet().stream()
        .map(
            row -> {
              int[] bits = new int[row.getValue().length];
              Arrays.setAll(bits, i -> Float.floatToRawIntBits(row.getValue()[i]));
              return row.getKey() + "=" + Arrays.toString(bits);
            })
        .collect(Collectors.joining("\n"));
  }
}
