package io.ruvector.bench.peers;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/** What this process has used, as Linux counts it. */
final class Process {
  private static final int CLOCK_PROCESS_CPUTIME_ID = 2;
  private static final long PAGE = 4096;

  /** The JDK's own getProcessCpuTime counts in steps of 10 ms. */
  private static final MethodHandle CLOCK_GETTIME =
      Linker.nativeLinker()
          .downcallHandle(
              Linker.nativeLinker().defaultLookup().find("clock_gettime").orElseThrow(),
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS));

  private static final MemorySegment TIME = Arena.global().allocate(ValueLayout.JAVA_LONG, 2);

  private Process() {}

  /** CPU seconds of all threads. */
  static double cpuSeconds() {
    try {
      int failed = (int) CLOCK_GETTIME.invokeExact(CLOCK_PROCESS_CPUTIME_ID, TIME);
      if (failed != 0) {
        throw new IllegalStateException("clock_gettime: " + failed);
      }
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
    return TIME.getAtIndex(ValueLayout.JAVA_LONG, 0)
        + TIME.getAtIndex(ValueLayout.JAVA_LONG, 1) * 1e-9;
  }

  static long residentBytes() throws IOException {
    return PAGE * Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]);
  }
}
