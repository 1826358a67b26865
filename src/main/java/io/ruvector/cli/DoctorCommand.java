package io.ruvector.cli;

import io.ruvector.NativeLibraryException;
import io.ruvector.RuVector;
import io.ruvector.internal.NativeLibrary;
import io.ruvector.internal.NativeLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "doctor",
    description = "Check the installation, and say what to do where something is wrong.")
final class DoctorCommand implements Callable<Integer> {
  private static final int JDK_FLOOR = 22;
  private static final int MAX_THREADS = 8;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  private boolean healthy = true;

  @Override
  public Integer call() {
    Report report = output.report();
    add(report, "jdk", jdk());
    add(report, "native access", nativeAccess());
    add(report, "native library", nativeLibrary());
    add(report, "cpu features", cpuFeatures());
    add(report, "threads", threads());
    add(report, "cache folder", cacheFolder());
    report.finish();
    return healthy ? ExitCode.OK : ExitCode.DATA;
  }

  /** What was found; the advice is empty where nothing is wrong. */
  private record Finding(String text, String advice) {
    static Finding good(String text) {
      return new Finding(text, "");
    }
  }

  private void add(Report report, String check, Finding finding) {
    boolean good = finding.advice().isEmpty();
    healthy &= good;
    report.add(
        "checks",
        new Row()
            .put("check", check)
            .put("ok", good ? "ok" : "WRONG")
            .put("found", finding.text())
            .put("do", finding.advice()));
  }

  private static Finding jdk() {
    String found =
        "%s (%s), %s, %s %s"
            .formatted(
                Runtime.version(),
                System.getProperty("java.vendor"),
                System.getProperty("java.home"),
                System.getProperty("os.name"),
                System.getProperty("os.arch"));
    return Runtime.version().feature() >= JDK_FLOOR
        ? Finding.good(found)
        : new Finding(found, "install a JDK of version %d or later".formatted(JDK_FLOOR));
  }

  private static Finding nativeAccess() {
    return DoctorCommand.class.getModule().isNativeAccessEnabled()
        ? Finding.good("allowed")
        : new Finding("not allowed", "run java with --enable-native-access=ALL-UNNAMED");
  }

  private static Finding nativeLibrary() {
    try {
      // Comparing the ABI number and the structs with the jar's is a part of loading.
      return Finding.good(
          "%s, version %s, ABI %d as this jar needs it"
              .formatted(NativeLoader.location(), RuVector.version(), NativeLibrary.abiVersion()));
    } catch (NativeLibraryException e) {
      return new Finding(
          String.valueOf(e.getMessage()).replaceAll("\\s*\\R\\s*-?\\s*", "; "),
          "build it with scripts/build-natives.sh, or name a file with"
              + " -Druvector.library.path=FILE");
    }
  }

  private static Finding cpuFeatures() {
    try {
      return Finding.good(RuVector.cpuFeatures());
    } catch (NativeLibraryException e) {
      return Finding.good("unknown without the native library");
    }
  }

  private static Finding threads() {
    int cores = Runtime.getRuntime().availableProcessors();
    String chosen = System.getenv("RUVECTOR_THREADS");
    return chosen == null
        ? Finding.good("%d of %d cores".formatted(Math.min(MAX_THREADS, cores), cores))
        : Finding.good("RUVECTOR_THREADS=%s, %d cores".formatted(chosen, cores));
  }

  private static Finding cacheFolder() {
    if (System.getProperty("ruvector.library.path") != null) {
      return Finding.good("not in use: ruvector.library.path names the library");
    }
    try {
      // <cache>/native/<key>/<library>
      Path library = Path.of(NativeLoader.location());
      Path key = library.getParent();
      Path folder = key == null ? null : key.getParent();
      Path cache = folder == null ? null : folder.getParent();
      if (cache != null && cache.resolve("native").equals(folder) && Files.isWritable(folder)) {
        return Finding.good(cache.toString());
      }
      return new Finding(
          "none can be written: the library was loaded from " + library,
          "set XDG_CACHE_HOME, or run java with -Druvector.cache.dir=FOLDER");
    } catch (NativeLibraryException e) {
      return Finding.good("unknown without the native library");
    }
  }
}
