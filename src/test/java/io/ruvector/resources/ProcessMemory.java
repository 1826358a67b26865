package io.ruvector.resources;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;

/** The memory of a process as Linux counts it, and processes to count it in. */
public final class ProcessMemory {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final Path CLEAR = Path.of("/proc/self/clear_refs");

  /** glibc's {@code struct mallinfo2}: ten numbers, of which two count bytes in use. */
  private static final StructLayout MALLINFO =
      MemoryLayout.structLayout(MemoryLayout.sequenceLayout(10, ValueLayout.JAVA_LONG));

  private static final int IN_MAPPINGS = 4;
  private static final int IN_ARENAS = 7;

  private ProcessMemory() {}

  /** Whether the kernel counts all that is asked for here. */
  public static boolean isCounted() {
    try {
      resetPeak();
      return anonymous() > 0 && peak() > 0;
    } catch (IOException | RuntimeException e) {
      return false;
    }
  }

  private static long status(String field) throws IOException {
    String line =
        Files.readAllLines(STATUS).stream()
            .filter(l -> l.startsWith(field + ":"))
            .findFirst()
            .orElseThrow();
    return 1_024 * Long.parseLong(line.replaceAll("\\D+", ""));
  }

  /**
   * Bytes that native code has allocated and not freed; empty where the C library does not say.
   *
   * <p>Unlike what is resident it has no part of Java's heap, and none that was freed.
   */
  public static OptionalLong allocated() {
    Optional<MemorySegment> mallinfo = Linker.nativeLinker().defaultLookup().find("mallinfo2");
    if (mallinfo.isEmpty()) {
      return OptionalLong.empty();
    }
    MethodHandle call =
        Linker.nativeLinker().downcallHandle(mallinfo.get(), FunctionDescriptor.of(MALLINFO));
    try (var arena = Arena.ofConfined()) {
      var info = (MemorySegment) call.invokeExact((SegmentAllocator) arena);
      return OptionalLong.of(
          info.getAtIndex(ValueLayout.JAVA_LONG, IN_MAPPINGS)
              + info.getAtIndex(ValueLayout.JAVA_LONG, IN_ARENAS));
    } catch (Throwable t) {
      throw new LinkageError("mallinfo2", t);
    }
  }

  public static long resident() throws IOException {
    return status("VmRSS");
  }

  /** Without pages of files. */
  static long anonymous() throws IOException {
    return status("RssAnon");
  }

  /** The most that was resident since the last reset. */
  static long peak() throws IOException {
    return status("VmHWM");
  }

  static void resetPeak() throws IOException {
    Files.writeString(CLEAR, "5");
  }

  /**
   * The numbers that a program prints, run in a JVM of its own whose heap is all there from the
   * start.
   */
  static long[] run(Class<?> program, Object... arguments) throws Exception {
    return run("-Xint", program, arguments);
  }

  /** The same with another way to run bytecode, for programs that would take too long. */
  static long[] run(String compiler, Class<?> program, Object... arguments) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-Xms64m", "-Xmx64m", compiler));
    command.addAll(List.of("-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), program.getName()));
    Arrays.stream(arguments).map(Object::toString).forEach(command::add);
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String output =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, process.exitValue(), output);
    return Arrays.stream(output.split(" ")).mapToLong(Long::parseLong).toArray();
  }
}
