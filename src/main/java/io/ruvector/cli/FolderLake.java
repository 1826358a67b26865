package io.ruvector.cli;

import io.ruvector.RuVectorException;
import io.ruvector.lake.FsBackend;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;

/** A lake over a folder of files, and what is saved of its collections beside these. */
final class FolderLake implements AutoCloseable {
  static final String BACKEND = "files";
  private static final List<String> SAVED = List.of("index.rvx", "index.rbpx");

  private final FsBackend files;
  private final RuLake lake;
  private final List<Target> targets;

  private FolderLake(FsBackend files, RuLake lake, List<Target> targets) {
    this.files = files;
    this.lake = lake;
    this.targets = targets;
  }

  /** All collections of a folder, or those that are named. */
  static FolderLake open(Path folder, List<String> names, RuLake.Builder builder) {
    // The backend would make it.
    if (!Files.isDirectory(folder)) {
      throw CliException.data("%s: no such folder".formatted(folder));
    }
    FsBackend files = FsBackend.open(BACKEND, folder.toAbsolutePath().normalize());
    try {
      List<String> all = files.collections();
      for (String name : names) {
        if (!all.contains(name)) {
          throw CliException.notFound(
              "%s: no collection '%s', there are: %s".formatted(folder, name, all));
        }
      }
      List<String> chosen = names.isEmpty() ? all : names.stream().distinct().toList();
      RuLake lake = builder.build();
      lake.registerBackend(files);
      List<Target> targets = chosen.stream().map(name -> Target.of(BACKEND, name)).toList();
      return new FolderLake(files, lake, targets);
    } catch (RuntimeException e) {
      files.close();
      throw e;
    }
  }

  RuLake lake() {
    return lake;
  }

  List<Target> targets() {
    return targets;
  }

  /** Where what belongs to a collection lies in a folder. */
  static Path dir(Path folder, Target target) {
    return folder.resolve(target.collection() + ".lake");
  }

  /** Where the saved cache of a collection lies. */
  Path saved(Target target) {
    return dir(files.root(), target);
  }

  /** Whether there is a saved cache: a sidecar alone is none. */
  static boolean isSaved(Path dir) {
    return SAVED.stream().anyMatch(name -> Files.exists(dir.resolve(name)));
  }

  /** Caches what is saved of a collection; where that is refused, says why and does without. */
  boolean warm(Target target, OutputMixin output) {
    if (!isSaved(saved(target))) {
      return false;
    }
    try {
      lake.warmFromDir(target, saved(target));
      return true;
    } catch (RuVectorException e) {
      say(output, target, "the saved cache is refused: " + reason(e));
      return false;
    }
  }

  /** The line that tells of a failure that was to be expected; others go on. */
  static String reason(RuVectorException failure) {
    if (ErrorHandler.exitCode(failure) == ExitCode.FAULT) {
      throw failure;
    }
    return ErrorHandler.message(failure);
  }

  static void say(OutputMixin output, Target target, String message) {
    output.say("ruvector: %s: %s".formatted(target.collection(), message));
  }

  /**
   * Reports a row for each collection, with only one of them in memory. One that fails is said, and
   * keeps no other from its turn.
   *
   * @param work what is done, for people who wait
   * @return the exit code
   */
  int each(String work, OutputMixin output, Function<Target, Row> step) {
    int exitCode = ExitCode.OK;
    Report report = output.report();
    for (Target target : targets) {
      try {
        report.add(
            "collections",
            output.during(work + " " + target.collection(), () -> step.apply(target)));
      } catch (RuVectorException e) {
        say(output, target, reason(e));
        exitCode = ExitCode.DATA;
      }
      lake.invalidateCache(target);
    }
    report.finish();
    return exitCode;
  }

  /** Whether the file of a collection had to be read, for want of a saved cache as new as it. */
  boolean hasPulled(Target target) {
    var counts = lake.cacheStats().byCollection().get(target);
    return counts != null && counts.primes() > 0;
  }

  @Override
  public void close() {
    lake.close();
    files.close();
  }
}
