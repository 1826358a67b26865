package io.ruvector.lake;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Writer;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A process that writes files, sidecars and saved caches where others read them, and may be killed
 * at any moment. It is started when it is asked for something.
 */
final class WriterProcess implements AutoCloseable {
  /** What is to be written. */
  enum Command {
    WRITE,
    PUBLISH,
    SAVE
  }

  private static final String READY = "ready";
  private static final String DONE = "done";

  /** Commands that were carried out. */
  final AtomicLong done = new AtomicLong();

  private final Path folder;
  private volatile @Nullable Running running;

  private static final class Running {
    final Process process;
    final Writer commands;
    final BufferedReader replies;
    volatile boolean killed;

    Running(Process process) {
      this.process = process;
      commands = process.outputWriter(StandardCharsets.UTF_8);
      replies = process.inputReader(StandardCharsets.UTF_8);
    }
  }

  WriterProcess(Path folder) {
    this.folder = folder;
  }

  private Running start() throws IOException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                WriterProcess.class.getName(),
                folder.toString())
            .redirectError(Redirect.INHERIT)
            .start();
    var started = new Running(process);
    String reply = started.replies.readLine();
    if (!READY.equals(reply)) {
      throw new IOException("the writer does not start: " + reply);
    }
    return started;
  }

  /**
   * Has something written, and waits for it.
   *
   * @return false if the process was killed meanwhile: then it was written, or was not
   */
  synchronized boolean run(Command command, String collection, long change) throws IOException {
    Running writer = running;
    if (writer == null) {
      writer = start();
      running = writer;
    }
    String reply;
    try {
      writer.commands.write("%s %s %d\n".formatted(command, collection, change));
      writer.commands.flush();
      reply = writer.replies.readLine();
    } catch (IOException e) {
      reply = e.toString();
    }
    if (DONE.equals(reply)) {
      done.incrementAndGet();
      return true;
    }
    if (!writer.killed) {
      throw new IOException("the writer ended by itself: " + reply);
    }
    running = null;
    return false;
  }

  /** Kills the process, whatever it is at, and waits for its end; false where none runs. */
  boolean kill() throws InterruptedException {
    Running writer = running;
    if (writer == null || writer.killed) {
      return false;
    }
    writer.killed = true;
    writer.process.destroyForcibly().waitFor();
    return true;
  }

  @Override
  public void close() {
    Running writer = running;
    if (writer != null) {
      writer.process.destroyForcibly().onExit().join();
    }
  }

  /** The process: one line is one command; it ends with its parent. */
  public static void main(String[] args) throws IOException {
    Path folder = Path.of(args[0]);
    var commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (var files = LakeSoakTest.shared(folder);
        var lake = RuLake.builder().build()) {
      lake.registerBackend(files);
      System.out.println(READY);
      for (String line = commands.readLine(); line != null; line = commands.readLine()) {
        String[] words = line.split(" ");
        Target target = Target.of(files.id(), words[1]);
        Path saved = LakeSoakTest.saved(folder, target);
        switch (Command.valueOf(words[0])) {
          case WRITE -> LakeSoakTest.write(files, words[1], Long.parseLong(words[2]));
          case PUBLISH -> lake.publishBundle(target, saved);
          case SAVE -> {
            lake.search(target, LakeSoakTest.QUERY, 1);
            lake.saveCacheToDir(target, saved);
          }
        }
        System.out.println(DONE);
      }
    }
  }
}
