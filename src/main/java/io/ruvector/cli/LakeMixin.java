package io.ruvector.cli;

import io.ruvector.lake.RuLake;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A folder of collections, and which of them. */
@SuppressWarnings("NullAway.Init")
final class LakeMixin {
  @Parameters(paramLabel = "FOLDER", description = "The folder of NAME.ruvec1 files.")
  private Path folder;

  @Option(
      names = {"-c", "--collection"},
      paramLabel = "NAME",
      description = "One of the collections; may be repeated. By default all of the folder.")
  private final List<String> collections = new ArrayList<>();

  @Option(
      names = "--trust",
      paramLabel = "KEY",
      description =
          "Believe only what is signed by the Ed25519 public key of this PEM file, as 'openssl pkey"
              + " -pubout' writes it; may be repeated, for several keys.")
  private final List<Path> trusted = new ArrayList<>();

  Path folder() {
    return folder;
  }

  FolderLake open() {
    return open(null);
  }

  /** The same, which signs what it publishes and saves. */
  FolderLake open(@Nullable PrivateKey key) {
    RuLake.Builder lake = RuLake.builder();
    if (key != null) {
      lake.signingKey(key);
    }
    if (!trusted.isEmpty()) {
      lake.trustedKeys(trusted.stream().map(KeyFile::publicKey).toArray(PublicKey[]::new));
    }
    return FolderLake.open(folder, collections, lake);
  }
}
