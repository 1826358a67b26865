package io.ruvector.cli;

import java.nio.file.Path;
import java.security.PrivateKey;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The key that sidecars are signed with. */
final class SigningMixin {
  @Option(
      names = "--sign-with",
      paramLabel = "KEY",
      description =
          "Sign the sidecars with the Ed25519 private key of this PKCS#8 PEM file, as 'openssl "
              + "genpkey -algorithm ed25519' writes it.")
  private @Nullable Path key;

  @Nullable PrivateKey key() {
    return key == null ? null : KeyFile.privateKey(key);
  }
}
