package io.ruvector.embed;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/**
 * The hashes by which the hub names what a file holds: SHA-256 where the file is in its large-file
 * storage, else the id that git gives it. In the cache they are the names of the blobs, so what
 * vouches for a file lies beside it.
 */
final class ContentHash {
  private static final Pattern HEX = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");
  private static final int SHA256_DIGITS = 64;
  private static final int BUFFER = 1 << 16;

  private ContentHash() {}

  static boolean isHash(String text) {
    return HEX.matcher(text).matches();
  }

  static boolean isSha256(String hash) {
    return hash.length() == SHA256_DIGITS;
  }

  static String sha256(Path file) throws IOException {
    return of(file, true);
  }

  static String git(Path file) throws IOException {
    return of(file, false);
  }

  /** Whether a file has a hash, of either kind. */
  static boolean matches(String hash, Path file) throws IOException {
    return of(file, isSha256(hash)).equals(hash);
  }

  private static String of(Path file, boolean sha256) throws IOException {
    try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
      MessageDigest digest = MessageDigest.getInstance(sha256 ? "SHA-256" : "SHA-1");
      if (!sha256) {
        digest.update("blob %d\0".formatted(channel.size()).getBytes(StandardCharsets.US_ASCII));
      }
      var buffer = ByteBuffer.allocate(BUFFER);
      while (channel.read(buffer) >= 0) {
        digest.update(buffer.flip());
        buffer.clear();
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has both
    }
  }
}
