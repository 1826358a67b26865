package io.ruvector.cli;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** What the C library knows and Java does not tell. */
final class CLibrary {
  private static final int STDERR = 2;

  /** POSIX says so, whatever the clock's resolution. */
  private static final double CLOCKS_PER_SECOND = 1e6;

  private CLibrary() {}

  private static final class Holder {
    static final MethodHandle ISATTY =
        function("isatty", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
    static final MethodHandle CLOCK =
        function("clock", FunctionDescriptor.of(ValueLayout.JAVA_LONG));

    private static MethodHandle function(String name, FunctionDescriptor descriptor) {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(linker.defaultLookup().find(name).orElseThrow(), descriptor);
    }
  }

  /** {@link System#console()} is about stdin and stdout only. */
  static boolean stderrIsTerminal() {
    try {
      return (int) Holder.ISATTY.invokeExact(STDERR) == 1;
    } catch (Throwable e) {
      throw new LinkageError("isatty", e);
    }
  }

  /** The CPU time of this process: Java's own beans count in steps of 10 ms. */
  static double cpuSeconds() {
    try {
      return (long) Holder.CLOCK.invokeExact() / CLOCKS_PER_SECOND;
    } catch (Throwable e) {
      throw new LinkageError("clock", e);
    }
  }
}
