package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.Seed;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The algebra of id sets, against bit sets. */
class IdFilterTest {
  private static final int UNIVERSE = 200;

  private record Pair(IdFilter filter, BitSet bits) {}

  private static Pair random(Random random) {
    var bits = new BitSet(UNIVERSE);
    IdFilter filter;
    if (random.nextBoolean()) {
      long[] ids = random.longs(random.nextInt(60), 0, UNIVERSE).toArray();
      filter = IdFilter.of(ids);
      for (long id : ids) {
        bits.set((int) id);
      }
    } else {
      int low = random.nextInt(UNIVERSE);
      int high = low + random.nextInt(UNIVERSE - low + 1);
      filter = IdFilter.range(low, high);
      bits.set(low, high);
    }
    return new Pair(filter, bits);
  }

  private static void check(IdFilter filter, BitSet bits) {
    for (int id = 0; id < UNIVERSE; id++) {
      int i = id;
      assertEquals(bits.get(id), filter.contains(id), () -> i + " in " + filter);
    }
  }

  @Test
  void algebra() {
    Random random = Seed.random("algebra");
    for (int i = 0; i < 2_000; i++) {
      Pair a = random(random);
      Pair b = random(random);
      check(a.filter, a.bits);
      var and = (BitSet) a.bits.clone();
      and.and(b.bits);
      check(a.filter.and(b.filter), and);
      var or = (BitSet) a.bits.clone();
      or.or(b.bits);
      check(a.filter.or(b.filter), or);
      var not = (BitSet) a.bits.clone();
      not.flip(0, UNIVERSE);
      check(a.filter.not(), not);

      assertEquals(a.filter, a.filter.not().not());
      assertEquals(a.filter.and(b.filter), b.filter.and(a.filter));
      assertEquals(a.filter.or(b.filter), b.filter.or(a.filter));
      assertEquals(a.filter.or(b.filter).hashCode(), b.filter.or(a.filter).hashCode());
      assertEquals(a.filter.or(b.filter).not(), a.filter.not().and(b.filter.not()));
      assertEquals(a.bits.isEmpty(), a.filter.isEmpty());
      assertEquals(IdFilter.all(), a.filter.or(a.filter.not()));
      assertEquals(IdFilter.none(), a.filter.and(a.filter.not()));
    }
  }

  @Test
  void theEndsOf64Bits() {
    IdFilter ends = IdFilter.of(Long.MIN_VALUE, Long.MAX_VALUE);
    assertTrue(ends.contains(Long.MIN_VALUE) && ends.contains(Long.MAX_VALUE));
    assertFalse(ends.contains(0));
    IdFilter between = ends.not();
    assertFalse(between.contains(Long.MIN_VALUE) || between.contains(Long.MAX_VALUE));
    assertTrue(between.contains(Long.MIN_VALUE + 1) && between.contains(Long.MAX_VALUE - 1));
    assertEquals(IdFilter.all(), ends.or(between));
    assertEquals(IdFilter.all(), IdFilter.none().not());
    assertEquals(IdFilter.none(), IdFilter.all().not());
    IdFilter upper = IdFilter.range(5, Long.MAX_VALUE).or(IdFilter.of(Long.MAX_VALUE));
    assertEquals(IdFilter.range(Long.MIN_VALUE, 5), upper.not());
    assertTrue(IdFilter.all().isAll() && upper.or(upper.not()).isAll());
  }

  @Test
  void emptySetsAreOne() {
    assertSame(IdFilter.none(), IdFilter.of());
    assertSame(IdFilter.none(), IdFilter.range(3, 3));
    var e = assertThrows(IllegalArgumentException.class, () -> IdFilter.range(3, 2));
    assertEquals("highExclusive is 2, allowed: 3 or more", e.getMessage());
  }

  @Test
  void textIsShort() {
    assertEquals("IdFilter[1..2, 9]", IdFilter.of(9, 1, 2).toString());
    long[] even = new long[100];
    for (int i = 0; i < even.length; i++) {
      even[i] = 2 * i;
    }
    assertTrue(IdFilter.of(even).toString().endsWith("14, and 92 more intervals]"));
  }

  /** A portable 64-bit bitmap of 32-bit ones, written by hand from the format's description. */
  @Test
  void roaring() {
    var bytes = ByteBuffer.allocate(200).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(2);
    // High word 0: one array container with 1, 2, 3 and 700.
    bytes.putInt(0);
    bytes.putInt(12_346).putInt(1);
    bytes.putShort((short) 0).putShort((short) 3);
    bytes.putInt(16);
    for (int low : new int[] {1, 2, 3, 700}) {
      bytes.putShort((short) low);
    }
    // High word -1, which is the ids under zero: -1 alone.
    bytes.putInt(-1);
    bytes.putInt(12_346).putInt(1);
    bytes.putShort((short) 0xffff).putShort((short) 0);
    bytes.putInt(16);
    bytes.putShort((short) 0xffff);
    byte[] bitmap = new byte[bytes.position()];
    bytes.flip().get(bitmap);
    assertEquals(IdFilter.of(-1, 1, 2, 3, 700), IdFilter.roaring(bitmap));

    assertThrows(IllegalArgumentException.class, () -> IdFilter.roaring(new byte[] {1, 2, 3}));
    byte[] cut = java.util.Arrays.copyOf(bitmap, bitmap.length - 1);
    assertThrows(IllegalArgumentException.class, () -> IdFilter.roaring(cut));
    assertEquals(IdFilter.none(), IdFilter.roaring(new byte[8]));
  }
}
