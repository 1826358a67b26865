package io.ruvector.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.internal.ffi.RuvectorH;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Sources, header, bindings and library say the same. */
class NativeLibraryTest {
  private static final Path RUST = Path.of("rust-ffi");
  private static final Path HEADER = RUST.resolve("crates/ffi/include/ruvector.h");

  private static String sha256(byte[] bytes) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
  }

  /** As crates/ffi/build.rs: what sha256sum prints for the sources in the order of their names. */
  @Test
  void theLibraryWasBuiltFromTheseSources() throws Exception {
    List<String> names = new ArrayList<>(List.of("Cargo.lock", "Cargo.toml"));
    for (String crate : List.of("ffi", "rabitq", "rulake", "simd")) {
      names.add("crates/%s/Cargo.toml".formatted(crate));
      try (Stream<Path> files = Files.walk(RUST.resolve("crates").resolve(crate).resolve("src"))) {
        files
            .filter(Files::isRegularFile)
            .map(file -> RUST.relativize(file).toString().replace('\\', '/'))
            .forEach(names::add);
      }
    }
    names.sort(null);
    var list = new StringBuilder();
    for (String name : names) {
      list.append(sha256(Files.readAllBytes(RUST.resolve(name))))
          .append("  ")
          .append(name)
          .append('\n');
    }
    assertEquals(
        sha256(list.toString().getBytes(StandardCharsets.UTF_8)),
        NativeLibrary.sourceHash(),
        "the library is older than its sources: run scripts/build-natives.sh");
  }

  @Test
  void theBindingsWereMadeFromThisHeader() throws Exception {
    String recorded = Files.readString(Path.of("generated", "HEADER.sha256"));
    assertEquals(sha256(Files.readAllBytes(HEADER)), recorded.substring(0, 64));
  }

  /** Symbols resolve lazily: each is touched, and each function of the header is bound. */
  @Test
  void everySymbolResolves() throws ReflectiveOperationException, IOException {
    Matcher functions = Pattern.compile("\\b(ruv_\\w+)\\(").matcher(Files.readString(HEADER));
    int n = 0;
    while (functions.find()) {
      String name = functions.group(1);
      assertNotNull(RuvectorH.class.getMethod(name + "$address").invoke(null), name);
      n++;
    }
    assertTrue(n > 30, "only %d functions in the header".formatted(n));
  }

  @Test
  void facts() {
    NativeLibrary.require();
    assertTrue(NativeLibrary.version().matches("\\d+\\.\\d+\\.\\d+.*"), NativeLibrary::version);
    assertEquals(RuvectorH.RUV_ABI_VERSION(), NativeLibrary.abiVersion());
    assertFalse(NativeLibrary.cpuFeatures().isBlank());
    assertTrue(Files.isRegularFile(Path.of(NativeLoader.location())));
  }
}
