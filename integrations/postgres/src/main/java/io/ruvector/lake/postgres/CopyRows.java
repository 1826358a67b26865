package io.ruvector.lake.postgres;

import io.ruvector.lake.VectorSink;
import io.ruvector.lake.backend.RowBatches;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.sql.SQLDataException;
import java.util.Arrays;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * Decodes what {@code COPY (SELECT id, vector) TO STDOUT (FORMAT binary)} sends, in pieces of any
 * size, into the batches of a sink. All integers are big-endian:
 *
 * <pre>
 * stream   "PGCOPY\n\377\r\n\0"  int32 flags  int32 n, then n bytes to skip   tuple*   int16 -1
 * tuple    int16 fields = 2   field id   field vector
 * field    int32 length, -1 for NULL   bytes
 * id       int64
 * real[]   int32 ndim  int32 hasnull  int32 oid = 700  ndim x (int32 length  int32 lower bound)
 *          length x (int32 4  float4)
 * vector   int16 dim  int16 unused  dim x float4
 * </pre>
 *
 * <p>Sources: the manual's page on COPY; array_send of PostgreSQL; vector_send of pgvector.
 */
final class CopyRows implements AutoCloseable {
  /** How the server sends a vector. */
  enum Wire {
    ARRAY,
    PGVECTOR
  }

  private static final byte[] SIGNATURE = {
    'P', 'G', 'C', 'O', 'P', 'Y', '\n', (byte) 0xff, '\r', '\n', 0
  };
  private static final int HEADER = SIGNATURE.length + 8;
  private static final int FLOAT4 = 700;

  /** Of what opens a tuple: fields, length and value of the id, length of the vector. */
  private static final int TUPLE = 2 + 4 + 8 + 4;

  private static final int MAX_DIM = 8_192;

  private static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

  private final String table;
  private final Wire wire;
  private final VectorSink sink;
  private final long expectedRows;
  private int dim;
  private @Nullable RowBatches batches;
  private byte[] rest = {};
  private boolean begun;
  private boolean ended;

  /**
   * A decoder for one stream.
   *
   * @param table for messages
   * @param dim 0 if the first row says it
   */
  CopyRows(String table, Wire wire, int dim, long expectedRows, VectorSink sink) {
    this.table = table;
    this.wire = wire;
    this.dim = dim;
    this.expectedRows = expectedRows;
    this.sink = sink;
  }

  /** Takes the next piece of the stream: as pgjdbc has it, one tuple, but that is not promised. */
  void accept(byte[] piece) throws SQLDataException, InterruptedException {
    byte[] bytes = piece;
    if (rest.length > 0) {
      bytes = Arrays.copyOf(rest, rest.length + piece.length);
      System.arraycopy(piece, 0, bytes, rest.length, piece.length);
    }
    int at = 0;
    while (at < bytes.length) {
      int next = begun ? tuple(bytes, at) : header(bytes);
      if (next < 0) {
        break;
      }
      at = next;
    }
    rest = at == bytes.length ? new byte[0] : Arrays.copyOfRange(bytes, at, bytes.length);
  }

  /** Ends the stream, and says whether any row came. */
  boolean finish() throws SQLDataException, InterruptedException {
    if (!ended || rest.length > 0) {
      throw malformed("it ends in the middle");
    }
    if (batches == null) {
      return false;
    }
    batches.flush();
    return true;
  }

  @Override
  public void close() {
    if (batches != null) {
      batches.close();
    }
  }

  /** Where the first tuple begins, or -1 if that is not there yet. */
  private int header(byte[] bytes) throws SQLDataException {
    if (bytes.length < HEADER) {
      return -1;
    }
    if (!Arrays.equals(bytes, 0, SIGNATURE.length, SIGNATURE, 0, SIGNATURE.length)) {
      throw malformed("it begins with " + HexFormat.of().formatHex(bytes, 0, SIGNATURE.length));
    }
    int flags = (int) INT.get(bytes, SIGNATURE.length);
    if (flags >>> 16 != 0) {
      throw malformed("flags %#x, of which none is known".formatted(flags));
    }
    int extension = (int) INT.get(bytes, SIGNATURE.length + 4);
    if (extension < 0) {
      throw malformed("an extension of %d bytes".formatted(extension));
    }
    if (bytes.length - HEADER < extension) {
      return -1;
    }
    begun = true;
    return HEADER + extension;
  }

  /** Takes the tuple at {@code at}: where the next one begins, or -1 if it is not all there. */
  private int tuple(byte[] bytes, int at) throws SQLDataException, InterruptedException {
    if (ended) {
      throw malformed("bytes after the end");
    }
    if (bytes.length - at < 2) {
      return -1;
    }
    int fields = (short) SHORT.get(bytes, at);
    if (fields == -1) {
      ended = true;
      return at + 2;
    }
    if (fields != 2) {
      throw malformed("%d fields in a row, expected: 2".formatted(fields));
    }
    if (bytes.length - at < 6) {
      return -1;
    }
    int idLength = (int) INT.get(bytes, at + 2);
    if (idLength == -1) {
      throw new SQLDataException("%s: a row's id is NULL".formatted(table), "22004");
    }
    if (idLength != Long.BYTES) {
      throw malformed("an id of %d bytes, expected: 8".formatted(idLength));
    }
    if (bytes.length - at < TUPLE) {
      return -1;
    }
    long id = (long) LONG.get(bytes, at + 6);
    int length = (int) INT.get(bytes, at + 14);
    if (length == -1) {
      throw invalid(id, "its vector is NULL");
    }
    if (length < 0) {
      throw malformed("a vector of %d bytes".formatted(length));
    }
    int vector = at + TUPLE;
    if (bytes.length - vector < length) {
      return -1;
    }
    switch (wire) {
      case ARRAY -> array(id, bytes, vector, length);
      case PGVECTOR -> pgvector(id, bytes, vector, length);
    }
    return vector + length;
  }

  private void array(long id, byte[] bytes, int at, int length)
      throws SQLDataException, InterruptedException {
    if (length < 12) {
      throw malformed("an array of %d bytes".formatted(length));
    }
    int dimensions = (int) INT.get(bytes, at);
    boolean nulls = (int) INT.get(bytes, at + 4) != 0;
    int element = (int) INT.get(bytes, at + 8);
    if (element != FLOAT4) {
      throw malformed("elements of type oid %d, expected: %d".formatted(element, FLOAT4));
    }
    if (dimensions == 0) {
      throw invalid(id, "its vector is empty");
    }
    if (dimensions != 1) {
      throw invalid(id, "its array has %d dimensions, expected: 1".formatted(dimensions));
    }
    if (length < 20) {
      throw malformed("an array of %d bytes".formatted(length));
    }
    int count = (int) INT.get(bytes, at + 12);
    int first = at + 20;
    int end = at + length;
    if (nulls) {
      throw invalid(id, "component %d is NULL".formatted(firstNull(bytes, first, end)));
    }
    if (length != 20 + 8L * count) {
      throw malformed("an array of %d elements in %d bytes".formatted(count, length));
    }
    RowBatches batches = batchesFor(id, count);
    MemorySegment rows = batches.rows();
    long to = batches.offset();
    int lengths = Float.BYTES;
    for (int i = first; i < end; i += 8) {
      lengths |= (int) INT.get(bytes, i);
      rows.set(ValueLayout.JAVA_INT, to, (int) INT.get(bytes, i + 4));
      to += Float.BYTES;
    }
    if (lengths != Float.BYTES) {
      throw malformed("an element that is not 4 bytes long");
    }
    end(batches, id);
  }

  private static int firstNull(byte[] bytes, int first, int end) {
    int component = 0;
    for (int i = first; i + 4 <= end && (int) INT.get(bytes, i) != -1; i += 8) {
      component++;
    }
    return component;
  }

  private void pgvector(long id, byte[] bytes, int at, int length)
      throws SQLDataException, InterruptedException {
    int count = length < 4 ? -1 : (short) SHORT.get(bytes, at);
    if (length != 4 + 4L * count) {
      throw malformed("a vector of %d components in %d bytes".formatted(count, length));
    }
    RowBatches batches = batchesFor(id, count);
    MemorySegment rows = batches.rows();
    long to = batches.offset();
    for (int i = at + 4; i < at + length; i += 4) {
      rows.set(ValueLayout.JAVA_INT, to, (int) INT.get(bytes, i));
      to += Float.BYTES;
    }
    end(batches, id);
  }

  /** Checks how many components a row has; the first one says how many there must be. */
  private RowBatches batchesFor(long id, int count) throws SQLDataException {
    RowBatches batches = this.batches;
    if (batches == null) {
      if (count < 1 || count > MAX_DIM) {
        throw invalid(id, "%d components, allowed: 1 to %,d".formatted(count, MAX_DIM));
      }
      if (dim == 0) {
        dim = count;
      }
    }
    if (count != dim) {
      throw invalid(id, "%d components, expected: %d".formatted(count, dim));
    }
    if (batches == null) {
      sink.expect(expectedRows, dim);
      batches = new RowBatches(sink, dim);
      this.batches = batches;
    }
    return batches;
  }

  private void end(RowBatches batches, long id) throws SQLDataException, InterruptedException {
    int bad = batches.firstNotFinite();
    if (bad >= 0) {
      float value = batches.rows().get(ValueLayout.JAVA_FLOAT, batches.offset() + 4L * bad);
      throw invalid(id, "component %d is %s, expected: a finite number".formatted(bad, value));
    }
    batches.add(id);
  }

  private SQLDataException invalid(long id, String what) {
    return new SQLDataException("%s, id %d: %s".formatted(table, id, what), "22000");
  }

  private SQLDataException malformed(String what) {
    return new SQLDataException("%s: not a binary COPY: %s".formatted(table, what), "22000");
  }
}
