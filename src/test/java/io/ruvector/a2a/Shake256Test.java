package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Shake256Test {
  private static String hash(byte[] message, int length) {
    return HexFormat.of().formatHex(Shake256.hash(message, length));
  }

  /** The examples of NIST for FIPS 202, their first bytes and the last of 512. */
  @Test
  void examplesOfNist() {
    String empty = hash(new byte[0], 512);
    assertEquals(
        "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f", empty.substring(0, 64));
    byte[] a3 = new byte[200];
    Arrays.fill(a3, (byte) 0xa3);
    String long1600 = hash(a3, 512);
    assertEquals(
        "cd8a920ed141aa0407a22d59288652e9d9f1a7ee0c1e7c1ca699424da84a904d",
        long1600.substring(0, 64));
    assertEquals(
        "ab0bae316339894304e35877b0c28a9b1fd166c796b9cc258a064a8f57e27f2a", empty.substring(960));
    assertEquals(
        "6a1a9d7846436e4dca5728b6f760eef0ca92bf0be5615e96959d767197a0beeb",
        long1600.substring(960));
  }

  /** Messages and outputs that end around the bounds of blocks, against another implementation. */
  @Test
  void blocks() {
    byte[] message = new byte[137];
    for (int i = 0; i < message.length; i++) {
      message[i] = (byte) i;
    }
    assertEquals(
        "c45dae624ad8a2f5aa7bac9d7557737fd91c96eedb70a6be5574d57a844eade0",
        hash(Arrays.copyOf(message, 135), 32));
    assertEquals(
        "b7ff4073b3f5a8eabd6e17705ca7f6761a31058f9df781a6a47e3a3063b9d67a",
        hash(Arrays.copyOf(message, 136), 32));
    assertEquals(
        "01d90952c642a5eb2a8fc9d713f843a45d7ac05132dddcb2efc9bebc27e37bcb", hash(message, 32));
  }

  /** The JDK has it from release 25 on. */
  @Test
  void sameAsTheJdk() throws NoSuchAlgorithmException {
    MessageDigest jdk;
    try {
      jdk = MessageDigest.getInstance("SHAKE256-512");
    } catch (NoSuchAlgorithmException e) {
      abort("SHAKE256-512 is not in this JDK");
      return;
    }
    var random = new Random(1);
    for (int length = 0; length < 500; length++) {
      byte[] message = new byte[length];
      random.nextBytes(message);
      assertEquals(HexFormat.of().formatHex(jdk.digest(message)), hash(message, 64));
    }
  }
}
