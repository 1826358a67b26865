package io.ruvector.a2a;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** SHAKE-256 of FIPS 202, which the JDK does not offer before release 25. */
final class Shake256 {
  private static final VarHandle LANE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  /** Bytes absorbed or squeezed between two permutations: 1,600 bits less twice the strength. */
  private static final int RATE = 136;

  private static final int ROUNDS = 24;
  private static final byte DOMAIN = 0x1f;

  private Shake256() {}

  /** The first {@code length} bytes of the output for a message. */
  static byte[] hash(byte[] message, int length) {
    long[] state = new long[25];
    byte[] block = new byte[RATE];
    int at = 0;
    for (; message.length - at >= RATE; at += RATE) {
      absorb(state, message, at);
    }
    System.arraycopy(message, at, block, 0, message.length - at);
    block[message.length - at] = DOMAIN;
    block[RATE - 1] |= (byte) 0x80;
    absorb(state, block, 0);

    byte[] output = new byte[length];
    for (int done = 0; done < length; done += RATE) {
      if (done > 0) {
        permute(state);
      }
      for (int lane = 0; lane < RATE / 8; lane++) {
        LANE.set(block, 8 * lane, state[lane]);
      }
      System.arraycopy(block, 0, output, done, Math.min(RATE, length - done));
    }
    return output;
  }

  private static void absorb(long[] state, byte[] bytes, int at) {
    for (int lane = 0; lane < RATE / 8; lane++) {
      state[lane] ^= (long) LANE.get(bytes, at + 8 * lane);
    }
    permute(state);
  }

  /** Keccak-f[1600]: the steps theta, rho with pi, chi and iota, on lanes {@code a[x + 5 * y]}. */
  private static void permute(long[] a) {
    long[] b = new long[25];
    long[] column = new long[5];
    int register = 1;
    for (int round = 0; round < ROUNDS; round++) {
      for (int x = 0; x < 5; x++) {
        column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
      }
      for (int i = 0; i < 25; i++) {
        a[i] ^= column[(i + 4) % 5] ^ Long.rotateLeft(column[(i + 1) % 5], 1);
      }
      b[0] = a[0];
      for (int t = 0, x = 1, y = 0; t < ROUNDS; t++) {
        int toY = (2 * x + 3 * y) % 5;
        b[y + 5 * toY] = Long.rotateLeft(a[x + 5 * y], (t + 1) * (t + 2) / 2);
        x = y;
        y = toY;
      }
      for (int i = 0; i < 25; i++) {
        int row = i - i % 5;
        a[i] = b[i] ^ (~b[row + (i + 1) % 5] & b[row + (i + 2) % 5]);
      }
      // The bits 2^j - 1 of the round's constant come from a linear feedback shift register.
      for (int j = 0; j <= 6; j++) {
        if ((register & 1) != 0) {
          a[0] ^= 1L << ((1 << j) - 1);
        }
        register = (register << 1) ^ ((register >> 7) * 0x171);
      }
    }
  }
}
