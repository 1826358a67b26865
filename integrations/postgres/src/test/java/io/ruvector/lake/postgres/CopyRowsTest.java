package io.ruvector.lake.postgres;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.lake.testing.RecordingSink;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLDataException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the server of the tests does not send: pgvector's form, parts of tuples, wrong bytes. */
class CopyRowsTest {
  /** Rows as SQL has them, and what pgvector 0.6.2 sends of them. */
  static final String PGVECTOR_VALUES =
      "(-5, '[0.1,-0.0,3.4028235e38]'), (1, '[1,2,3]'), (2147483647, '[1e-45,-1.5,0]')";

  static final TreeMap<Long, float[]> PGVECTOR_ROWS =
      new TreeMap<>(
          Map.of(
              -5L, new float[] {0.1f, -0.0f, Float.MAX_VALUE},
              1L, new float[] {1, 2, 3},
              2147483647L, new float[] {Float.MIN_VALUE, -1.5f, 0}));

  static final String PGVECTOR_STREAM =
      "5047434f50590aff0d0a000000000000000000000200000008ffffffffffffff"
          + "fb00000010000300003dcccccd800000007f7fffff0002000000080000000000"
          + "00000100000010000300003f8000004000000040400000000200000008000000"
          + "007fffffff000000100003000000000001bfc0000000000000ffff";

  private static byte[] stream(CopyRows.Wire wire, Map<Long, float[]> rows) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    out.write("PGCOPY\n\u00ff\r\n\0".getBytes(StandardCharsets.ISO_8859_1));
    out.writeInt(0);
    out.writeInt(3);
    out.write(new byte[] {7, 7, 7}); // An extension, to be skipped.
    for (Map.Entry<Long, float[]> row : rows.entrySet()) {
      float[] vector = row.getValue();
      out.writeShort(2);
      out.writeInt(8);
      out.writeLong(row.getKey());
      if (wire == CopyRows.Wire.ARRAY) {
        out.writeInt(20 + 8 * vector.length);
        for (int i : new int[] {1, 0, 700, vector.length, 1}) {
          out.writeInt(i);
        }
      } else {
        out.writeInt(4 + 4 * vector.length);
        out.writeShort(vector.length);
        out.writeShort(0);
      }
      for (float component : vector) {
        if (wire == CopyRows.Wire.ARRAY) {
          out.writeInt(4);
        }
        out.writeFloat(component);
      }
    }
    out.writeShort(-1);
    return bytes.toByteArray();
  }

  private static TreeMap<Long, float[]> rows(SplittableRandom random, int dim) {
    TreeMap<Long, float[]> rows = new TreeMap<>();
    for (int i = random.nextInt(1, 40); i > 0; i--) {
      float[] vector = new float[dim];
      for (int j = 0; j < dim; j++) {
        vector[j] = (float) random.nextDouble(-1, 1);
      }
      rows.put(random.nextLong(), vector);
    }
    return rows;
  }

  @ParameterizedTest
  @EnumSource
  void piecesMayEndAnywhere(CopyRows.Wire wire) throws Exception {
    long seed = Long.getLong("tests.seed", System.nanoTime());
    SplittableRandom random = new SplittableRandom(seed);
    for (int round = 0; round < 200; round++) {
      TreeMap<Long, float[]> rows = rows(random, random.nextInt(1, 40));
      byte[] stream = stream(wire, rows);
      RecordingSink sink = new RecordingSink();
      try (CopyRows decoder = new CopyRows("t", wire, 0, rows.size(), sink)) {
        int most = random.nextInt(1, 400);
        for (int at = 0; at < stream.length; ) {
          int end = Math.min(stream.length, at + random.nextInt(1, most + 1));
          decoder.accept(Arrays.copyOfRange(stream, at, end));
          at = end;
        }
        assertTrue(decoder.finish());
      }
      assertEquals(
          RecordingSink.bits(rows), RecordingSink.bits(sink.rows()), () -> "tests.seed=" + seed);
    }
  }

  @Test
  void whatPgvectorSends() throws Exception {
    RecordingSink sink = new RecordingSink();
    try (CopyRows decoder = new CopyRows("t", CopyRows.Wire.PGVECTOR, 0, 0, sink)) {
      decoder.accept(HexFormat.of().parseHex(PGVECTOR_STREAM));
      assertTrue(decoder.finish());
    }
    assertEquals(RecordingSink.bits(PGVECTOR_ROWS), RecordingSink.bits(sink.rows()));
  }

  @ParameterizedTest
  @EnumSource
  void everyTruncationIsRefused(CopyRows.Wire wire) throws Exception {
    byte[] stream = stream(wire, rows(new SplittableRandom(1), 3));
    for (int length = 0; length < stream.length; length++) {
      try (CopyRows decoder = new CopyRows("t", wire, 0, 0, new RecordingSink())) {
        decoder.accept(Arrays.copyOf(stream, length));
        assertThrows(SQLDataException.class, decoder::finish);
      }
    }
  }

  /** A wrong byte may change a number, but leads to no other exception than these. */
  @ParameterizedTest
  @EnumSource
  void wrongBytesAreRefusedOrNumbers(CopyRows.Wire wire) throws Exception {
    byte[] stream = stream(wire, rows(new SplittableRandom(2), 3));
    int refused = 0;
    for (int at = 0; at < stream.length; at++) {
      for (int bit = 0; bit < 8; bit++) {
        byte[] wrong = stream.clone();
        wrong[at] ^= (byte) (1 << bit);
        try (CopyRows decoder = new CopyRows("t", wire, 0, 0, new RecordingSink())) {
          decoder.accept(wrong);
          decoder.finish();
        } catch (SQLDataException e) {
          refused++;
        }
      }
    }
    assertTrue(refused > stream.length, "refused: " + refused);
  }
}
