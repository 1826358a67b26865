package io.ruvector.internal;

import io.ruvector.NativeLibraryException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the native library and opens it once: the file named by {@code ruvector.library.path}, else
 * the jar's own from a cache of the user or a temporary folder, else the system's.
 *
 * <p>It is opened by {@link SymbolLookup#libraryLookup}, which serves any number of class loaders
 * of one process; {@link System#load} refuses the second.
 */
public final class NativeLoader {
  static final String PATH_PROPERTY = "ruvector.library.path";
  static final String CACHE_PROPERTY = "ruvector.cache.dir";

  private static final Logger LOG = LoggerFactory.getLogger(NativeLoader.class);

  /** How deep a message descends into causes, which may form a ring. */
  private static final int MAX_CAUSES = 4;

  private final Platform platform;
  private final List<String> tries = new ArrayList<>();
  private @Nullable Throwable lastFailure;

  private NativeLoader(Platform platform) {
    this.platform = platform;
  }

  /** What came of the one attempt of this process: a library, or why there is none. */
  private record Outcome(
      @Nullable SymbolLookup lookup, String location, @Nullable NativeLibraryException failure) {}

  private static final class Holder {
    static final Outcome OUTCOME = new NativeLoader(Platform.current()).load();
  }

  /** The operating system and processor, in the words of the jar's folders. */
  record Platform(String os, String arch) {
    static Platform current() {
      return of(System.getProperty("os.name", ""), System.getProperty("os.arch", ""));
    }

    static Platform of(String osName, String osArch) {
      String os = osName.toLowerCase(Locale.ROOT);
      String arch = osArch.toLowerCase(Locale.ROOT);
      return new Platform(
          os.startsWith("mac") || os.startsWith("darwin")
              ? "macos"
              : os.startsWith("windows") ? "windows" : os.replace(' ', '-'),
          switch (arch) {
            case "amd64", "x64", "x86-64" -> "x86_64";
            case "arm64" -> "aarch64";
            default -> arch;
          });
    }

    String fileName() {
      return switch (os) {
        case "windows" -> "ruvector.dll";
        case "macos" -> "libruvector.dylib";
        default -> "libruvector.so";
      };
    }

    String resource() {
      // Not formatted: the first use of a formatter takes as long as reading the library.
      return "/native/" + os + "-" + arch + "/" + fileName();
    }

    @Override
    public String toString() {
      return os + "-" + arch;
    }
  }

  /**
   * The symbols of the native library, opened at the first call.
   *
   * @throws NativeLibraryException if it cannot be opened, at each call
   */
  public static SymbolLookup lookup() {
    Outcome outcome = Holder.OUTCOME;
    if (outcome.lookup == null) {
      throw again(outcome.failure);
    }
    return outcome.lookup;
  }

  /**
   * The file that the native library was opened from.
   *
   * @throws NativeLibraryException if it cannot be opened, at each call
   */
  public static String location() {
    lookup();
    return Holder.OUTCOME.location;
  }

  /** A copy of a kept failure, with the stack of the call that meets it now. */
  static NativeLibraryException again(@Nullable NativeLibraryException kept) {
    if (kept == null) {
      throw new AssertionError("neither a library nor a failure");
    }
    return new NativeLibraryException(firstLine(kept), kept.tries(), kept.getCause());
  }

  private static String firstLine(Throwable failure) {
    return String.valueOf(failure.getMessage()).lines().findFirst().orElse("");
  }

  private Outcome load() {
    try {
      String chosen = System.getProperty(PATH_PROPERTY);
      if (chosen != null) {
        return fromProperty(chosen);
      }
      Outcome outcome = fromJar();
      return outcome != null ? outcome : fromSystem();
    } catch (IllegalCallerException e) {
      return failure(
          "native access is not allowed: run java with %s".formatted(nativeAccessFlag()), e);
    } catch (RuntimeException | LinkageError e) {
      return failure("the native library cannot be loaded on %s".formatted(platform), e);
    }
  }

  static String nativeAccessFlag() {
    Module module = NativeLoader.class.getModule();
    return "--enable-native-access=" + (module.isNamed() ? module.getName() : "ALL-UNNAMED");
  }

  private Outcome failure(String message, @Nullable Throwable cause) {
    return new Outcome(null, "", new NativeLibraryException(message, tries, cause));
  }

  private void failed(String place, Throwable reason) {
    tries.add(place + ": " + reasonOf(reason));
    lastFailure = reason;
  }

  private static String reasonOf(Throwable failure) {
    var text = new StringBuilder();
    Throwable t = failure;
    for (int i = 0; i < MAX_CAUSES && t != null; i++, t = t.getCause()) {
      String name = t.getClass().getSimpleName();
      text.append(i == 0 ? "" : ", by ").append(name);
      if (t.getMessage() != null) {
        text.append(" (").append(t.getMessage()).append(')');
      }
    }
    return text.toString();
  }

  private Outcome fromProperty(String chosen) {
    String place = "%s=%s".formatted(PATH_PROPERTY, chosen);
    try {
      Path file = Path.of(chosen).toAbsolutePath();
      if (!Files.isRegularFile(file)) {
        throw new IOException("no such file");
      }
      return opened(file);
    } catch (IOException | InvalidPathException | LibraryUnusable e) {
      failed(place, e);
      return failure(
          "the native library that %s names cannot be loaded on %s"
              .formatted(PATH_PROPERTY, platform),
          e);
    }
  }

  /** The jar's own library, or null where it has none for this platform or none can be opened. */
  private @Nullable Outcome fromJar() {
    String place = "the jar's " + platform.resource();
    byte[] library;
    try (InputStream in = NativeLoader.class.getResourceAsStream(platform.resource())) {
      if (in == null) {
        tries.add(place + ": the jar has no library for this platform");
        return null;
      }
      library = in.readAllBytes();
    } catch (IOException e) {
      failed(place, e);
      return null;
    }
    Outcome outcome = fromCache(library);
    return outcome != null ? outcome : fromTemporaryFolder(library);
  }

  private @Nullable Outcome fromCache(byte[] library) {
    String place = "the user's cache";
    try {
      Path cache = cacheFolder();
      place = "the user's cache " + cache;
      return opened(extract(library, cache.resolve("native").resolve(key(library))));
    } catch (IOException | InvalidPathException | LibraryUnusable e) {
      failed(place, e);
      return null;
    }
  }

  private @Nullable Outcome fromTemporaryFolder(byte[] library) {
    String place = "a temporary folder in " + System.getProperty("java.io.tmpdir");
    try {
      Path folder = Files.createTempDirectory("ruvector-");
      // Deleted in the reverse order, and a folder must be empty by then.
      folder.toFile().deleteOnExit();
      folder.resolve(platform.fileName()).toFile().deleteOnExit();
      return opened(extract(library, folder));
    } catch (IOException | InvalidPathException | LibraryUnusable e) {
      failed(place, e);
      return null;
    }
  }

  private Outcome fromSystem() {
    String place =
        "the system's library path (java.library.path=%s)"
            .formatted(System.getProperty("java.library.path", ""));
    for (String folder : System.getProperty("java.library.path", "").split(File.pathSeparator)) {
      Path file = Path.of(folder.isEmpty() ? "." : folder, platform.fileName()).toAbsolutePath();
      if (Files.isRegularFile(file)) {
        try {
          return opened(file);
        } catch (LibraryUnusable e) {
          failed(file.toString(), e);
        }
      }
    }
    try {
      var lookup = SymbolLookup.libraryLookup(platform.fileName(), Arena.global());
      return new Outcome(lookup, platform.fileName(), null);
    } catch (IllegalArgumentException e) {
      failed(place, e);
      return failure(
          "the native library cannot be loaded on %s; what was tried:".formatted(platform),
          lastFailure);
    }
  }

  /** A file that exists and that the system's loader refuses. */
  private static final class LibraryUnusable extends Exception {
    private static final long serialVersionUID = 1L;

    LibraryUnusable(String message, Throwable cause) {
      super(message, cause);
    }
  }

  private static Outcome opened(Path file) throws LibraryUnusable {
    try {
      var lookup = SymbolLookup.libraryLookup(file, Arena.global());
      LOG.debug("native library: {}", file);
      return new Outcome(lookup, file.toString(), null);
    } catch (IllegalArgumentException e) {
      throw new LibraryUnusable(hint(file), e);
    }
  }

  /** What keeps a file from loading: libraryLookup does not pass the system's reason on. */
  private static String hint(Path file) {
    if (musl()) {
      return "the system's C library is musl, and this library needs glibc";
    }
    try {
      if (noexec(file)) {
        return "the folder is mounted noexec";
      }
    } catch (IOException e) {
      LOG.debug("no mount table", e);
    }
    return "not a library for this platform, or one that it needs is missing";
  }

  private static boolean musl() {
    try (var files = Files.newDirectoryStream(Path.of("/lib"), "ld-musl-*")) {
      return files.iterator().hasNext() && !Files.exists(Path.of("/lib64/ld-linux-x86-64.so.2"));
    } catch (IOException | RuntimeException e) {
      return false;
    }
  }

  /** Whether the mount that holds the file forbids execution (Linux; elsewhere false). */
  private static boolean noexec(Path file) throws IOException {
    Path table = Path.of("/proc/self/mounts");
    if (!Files.isReadable(table)) {
      return false;
    }
    Path real = file.toRealPath();
    String options = "";
    int depth = -1;
    for (String line : Files.readAllLines(table)) {
      String[] fields = line.split(" ");
      if (fields.length < 4) {
        continue;
      }
      Path mount = Path.of(fields[1].replace("\\040", " "));
      if (real.startsWith(mount) && mount.getNameCount() >= depth) {
        depth = mount.getNameCount();
        options = fields[3];
      }
    }
    return List.of(options.split(",")).contains("noexec");
  }

  private Path cacheFolder() throws IOException {
    String chosen = System.getProperty(CACHE_PROPERTY);
    if (chosen != null) {
      return Path.of(chosen).toAbsolutePath();
    }
    String home = System.getProperty("user.home", "");
    Path base =
        switch (platform.os()) {
          case "windows" -> environment("LOCALAPPDATA");
          case "macos" -> home.isEmpty() ? null : Path.of(home, "Library", "Caches");
          default -> {
            Path xdg = environment("XDG_CACHE_HOME");
            yield xdg != null ? xdg : home.isEmpty() ? null : Path.of(home, ".cache");
          }
        };
    if (base == null || !base.isAbsolute()) {
      throw new IOException("the user has no home folder");
    }
    return base.resolve("ruvector");
  }

  private static @Nullable Path environment(String name) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? null : Path.of(value);
  }

  /** Puts the library into the folder, unless the very same bytes are there already. */
  private Path extract(byte[] library, Path folder) throws IOException {
    createPrivate(folder);
    Path file = folder.resolve(platform.fileName());
    if (holds(file, library)) {
      return file;
    }
    Path temporary = Files.createTempFile(folder, "libruvector", ".tmp");
    try {
      try (var channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
        var bytes = ByteBuffer.wrap(library);
        while (bytes.hasRemaining()) {
          channel.write(bytes);
        }
        channel.force(true);
      }
      restrict(temporary);
      try {
        Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
      }
    } finally {
      Files.deleteIfExists(temporary);
    }
    if (!holds(file, library)) {
      throw new IOException("%s has other bytes than were written".formatted(file));
    }
    return file;
  }

  private static void createPrivate(Path folder) throws IOException {
    Files.createDirectories(folder);
    // Fails for another user's folder, which could change the library after the check.
    restrict(folder);
  }

  private static void restrict(Path path) throws IOException {
    var view =
        Files.getFileAttributeView(path, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
    if (view != null) {
      view.setPermissions(PosixFilePermissions.fromString("rwx------"));
    }
  }

  private static boolean holds(Path file, byte[] library) throws IOException {
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
        || Files.size(file) != library.length) {
      return false;
    }
    return Arrays.equals(Files.readAllBytes(file), library);
  }

  /**
   * The name of a library's folder in the cache. It keeps versions apart and proves nothing: what
   * lies there is compared byte by byte. A strong hash would cost more than all else here, since a
   * JVM that starts interprets it, while CRC-32 is native code from the first byte on.
   */
  static String key(byte[] library) {
    var crc = new CRC32();
    crc.update(library);
    return HexFormat.of().toHexDigits((int) crc.getValue()) + "-" + library.length;
  }
}
