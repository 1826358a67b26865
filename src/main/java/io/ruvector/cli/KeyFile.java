package io.ruvector.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Ed25519 keys of PEM files. */
final class KeyFile {
  /** More than any such file has. */
  private static final long MAX_BYTES = 16_384;

  private KeyFile() {}

  /** What the bytes between the lines of a PEM file are. */
  @FunctionalInterface
  private interface Parse<K> {
    K key(KeyFactory factory, byte[] encoded) throws GeneralSecurityException;
  }

  static PrivateKey privateKey(Path file) {
    return read(
        file, "PRIVATE KEY", (f, bytes) -> f.generatePrivate(new PKCS8EncodedKeySpec(bytes)));
  }

  static PublicKey publicKey(Path file) {
    return read(file, "PUBLIC KEY", (f, bytes) -> f.generatePublic(new X509EncodedKeySpec(bytes)));
  }

  private static <K> K read(Path file, String label, Parse<K> parse) {
    try {
      String text = Files.size(file) > MAX_BYTES ? "" : Files.readString(file);
      Matcher pem =
          Pattern.compile(
                  "-----BEGIN %1$s-----([A-Za-z0-9+/=\\s]*)-----END %1$s-----".formatted(label))
              .matcher(text);
      if (pem.find()) {
        byte[] encoded = Base64.getMimeDecoder().decode(pem.group(1));
        return parse.key(KeyFactory.getInstance("Ed25519"), encoded);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      // Said below: what exactly is wrong inside tells nobody more.
    }
    throw CliException.data(
        "%s: expected an Ed25519 key in a PEM file, with the line -----BEGIN %s-----"
            .formatted(file, label));
  }
}
