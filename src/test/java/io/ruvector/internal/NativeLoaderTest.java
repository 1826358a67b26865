package io.ruvector.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.ruvector.NativeLibraryException;
import io.ruvector.RuVector;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the library is looked for, in child processes: each process loads once. */
class NativeLoaderTest {
  @TempDir Path folder;

  private Path cache;
  private String nativeAccess = "--enable-native-access=ALL-UNNAMED";

  @BeforeEach
  void cache() {
    cache = folder.resolve("cache");
  }

  /** What a child process runs: prints where the library came from, or why there is none. */
  public static final class Child {
    public static void main(String[] args) {
      for (int attempt = 0; attempt < 2; attempt++) {
        try {
          RuVector.version();
          System.out.println("from " + NativeLoader.location());
        } catch (NativeLibraryException e) {
          System.out.println("failed: " + e.getMessage());
          System.out.println("tries: " + e.tries().size());
        }
      }
    }
  }

  private record Run(int status, String output) {}

  private Run run(List<String> options, String classPath) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add(nativeAccess);
    command.addAll(options);
    command.addAll(List.of("-cp", classPath, Child.class.getName()));
    Path log = folder.resolve("log");
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    return new Run(process.exitValue(), Files.readString(log, StandardCharsets.UTF_8));
  }

  private Run run(String... options) throws Exception {
    List<String> all = new ArrayList<>(List.of(options));
    all.add("-Druvector.cache.dir=" + cache);
    return run(all, System.getProperty("java.class.path"));
  }

  /** The class path with the classes alone: as a jar without a library for this platform. */
  private String withoutLibrary() throws IOException {
    Path classes = folder.resolve("classes");
    List<String> entries = new ArrayList<>(List.of(classes.toString()));
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      Path path = Path.of(entry);
      if (!Files.isDirectory(path.resolve("native"))) {
        entries.add(entry);
        continue;
      }
      try (Stream<Path> files = Files.walk(path)) {
        for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
          Path relative = path.relativize(file);
          if (!relative.startsWith("native")) {
            Path copy = classes.resolve(relative.toString());
            Files.createDirectories(copy.getParent());
            Files.copy(file, copy);
          }
        }
      }
    }
    return String.join(File.pathSeparator, entries);
  }

  private static Path library() {
    return Path.of(NativeLoader.location());
  }

  private Path cached() throws IOException {
    try (Stream<Path> files = Files.walk(cache)) {
      List<Path> found = files.filter(Files::isRegularFile).collect(Collectors.toList());
      assertEquals(1, found.size(), found::toString);
      return found.getFirst();
    }
  }

  private static boolean posix() {
    return java.nio.file.FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
  }

  @Test
  void fromTheJarThroughTheCache() throws Exception {
    Run first = run();
    assertEquals(0, first.status, first.output);
    Path file = cached();
    assertTrue(first.output.contains("from " + file), first.output);
    if (posix()) {
      assertEquals(
          "rwx------",
          PosixFilePermissions.toString(Files.getPosixFilePermissions(file.getParent())));
    }
    var modified = Files.getLastModifiedTime(file);
    assertTrue(run().output.contains("from " + file));
    assertEquals(modified, Files.getLastModifiedTime(file));
  }

  /** What lies in the cache under the right name with other bytes is replaced, not loaded. */
  @Test
  void aChangedFileInTheCacheIsReplaced() throws Exception {
    run();
    Path file = cached();
    byte[] good = Files.readAllBytes(file);
    byte[] bad = good.clone();
    bad[bad.length / 2] ^= 1;
    Files.write(file, bad);
    Run run = run();
    assertTrue(run.output.contains("from " + file), run.output);
    assertTrue(java.util.Arrays.equals(good, Files.readAllBytes(file)));
    Files.write(file, new byte[3]);
    assertTrue(run().output.contains("from " + file));
  }

  @Test
  void anUnusableCacheGivesWayToATemporaryFolder() throws Exception {
    Files.writeString(cache, "a file, where a folder should be");
    Path temporary = Files.createDirectory(folder.resolve("tmp"));
    Run run = run("-Djava.io.tmpdir=" + temporary);
    assertTrue(run.output.contains("from " + temporary.resolve("ruvector-")), run.output);
    try (Stream<Path> left = Files.list(temporary)) {
      assertEquals(List.of(), left.filter(p -> p.toString().contains("ruvector-")).toList());
    }
  }

  @Test
  void theNamedFileOrNothing() throws Exception {
    Path copy = Files.copy(library(), folder.resolve("renamed.bin"));
    Run run = run("-Druvector.library.path=" + copy);
    assertTrue(run.output.contains("from " + copy), run.output);
    Run missing = run("-Druvector.library.path=" + folder.resolve("missing"));
    assertEquals(0, missing.status, missing.output);
    assertTrue(missing.output.contains("no such file"), missing.output);
    // The second attempt tells as much as the first.
    assertEquals(2, missing.output.split("tries: 1", -1).length - 1, missing.output);
    Path text = Files.writeString(folder.resolve("text.so"), "not a library");
    Run wrong = run("-Druvector.library.path=" + text);
    assertTrue(wrong.output.contains("not a library for this platform"), wrong.output);
  }

  @Test
  void theSystemsLibraryPathComesLast() throws Exception {
    Path system = Files.createDirectory(folder.resolve("system"));
    Files.copy(library(), system.resolve(library().getFileName().toString()));
    Run run =
        run(
            List.of("-Djava.library.path=" + system, "-Druvector.cache.dir=" + cache),
            withoutLibrary());
    assertTrue(run.output.contains("from " + system), run.output);
  }

  /** Every place that was tried is told, with its reason. */
  @Test
  void allPlacesFail() throws Exception {
    Run run =
        run(
            List.of("-Djava.library.path=" + folder, "-Druvector.cache.dir=" + cache),
            withoutLibrary());
    assertEquals(0, run.status, run.output);
    assertTrue(run.output.contains("the jar has no library for this platform"), run.output);
    assertTrue(run.output.contains("java.library.path=" + folder), run.output);
    String platform = NativeLoader.Platform.current().toString();
    assertTrue(run.output.contains(platform), run.output);
  }

  @Test
  void aFolderMountedNoexec() throws Exception {
    Path shared = Path.of("/dev/shm");
    boolean noexec =
        Files.isReadable(Path.of("/proc/self/mounts"))
            && Files.readAllLines(Path.of("/proc/self/mounts")).stream()
                .anyMatch(line -> line.contains(" /dev/shm ") && line.contains("noexec"));
    assumeTrue(noexec && Files.isWritable(shared), "needs /dev/shm mounted noexec");
    Path copy = Files.createTempFile(shared, "libruvector", ".so");
    try {
      Files.write(copy, Files.readAllBytes(library()));
      Run run = run("-Druvector.library.path=" + copy);
      assertTrue(run.output.contains("mounted noexec"), run.output);
    } finally {
      Files.delete(copy);
    }
  }

  /** The exact flag is told where native access is denied. */
  @Test
  void nativeAccessDenied() throws Exception {
    assumeTrue(Runtime.version().feature() >= 24, "needs a JDK that can deny native access");
    nativeAccess = "--illegal-native-access=deny";
    Run run = run();
    assertEquals(0, run.status, run.output);
    assertTrue(run.output.contains("--enable-native-access=ALL-UNNAMED"), run.output);
  }

  /** The check value of CRC-32, so that the name stays the same over versions of this code. */
  @Test
  void nameOfTheFolderInTheCache() throws Exception {
    assertEquals("cbf43926-9", NativeLoader.key("123456789".getBytes(StandardCharsets.US_ASCII)));
    run();
    Path file = cached();
    Path folder = cache.resolve("native").resolve(NativeLoader.key(Files.readAllBytes(file)));
    assertEquals(folder.resolve(file.getFileName()), file);
  }

  @Test
  void namesOfPlatforms() {
    assertEquals("linux-x86_64", NativeLoader.Platform.of("Linux", "amd64").toString());
    assertEquals("macos-aarch64", NativeLoader.Platform.of("Mac OS X", "aarch64").toString());
    assertEquals("windows-x86_64", NativeLoader.Platform.of("Windows 11", "AMD64").toString());
    assertEquals("linux-aarch64", NativeLoader.Platform.of("Linux", "arm64").toString());
    assertEquals("linux-riscv64", NativeLoader.Platform.of("Linux", "riscv64").toString());
    assertEquals(
        "/native/windows-x86_64/ruvector.dll",
        NativeLoader.Platform.of("Windows 10", "amd64").resource());
    assertEquals(
        "/native/macos-aarch64/libruvector.dylib",
        NativeLoader.Platform.of("Darwin", "arm64").resource());
  }
}
