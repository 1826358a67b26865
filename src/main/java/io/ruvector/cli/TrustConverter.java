package io.ruvector.cli;

import io.ruvector.a2a.Trust;
import io.ruvector.a2a.TrustStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** {@code --trust}, in the words of the command line. */
final class TrustConverter implements ITypeConverter<TrustConverter.Named> {
  private static final String FIRST_USE = "first-use=";

  /** A trust; picocli prints its name as the default. */
  record Named(String name, Trust trust) {
    @Override
    public String toString() {
      return name;
    }
  }

  @Override
  public Named convert(String text) throws IOException {
    try {
      return new Named(text, trust(text));
    } catch (IllegalArgumentException e) {
      throw new TypeConversionException(e.getMessage());
    }
  }

  private static Trust trust(String text) throws IOException {
    if (text.startsWith(FIRST_USE)) {
      return Trust.onFirstUse(TrustStore.file(Path.of(text.substring(FIRST_USE.length()))));
    }
    if (text.endsWith(".json")) {
      return Trust.pinnedJwks(Files.readString(Path.of(text)));
    }
    return switch (text) {
      case "any-signed" -> Trust.anySigned();
      case "insecure" -> Trust.insecureForTests();
      default -> Trust.pinned(text);
    };
  }
}
