package io.ruvector;

import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeLibrary;
import io.ruvector.internal.SearchPool;

/**
 * Facts about the library and its process-wide settings.
 *
 * <p>All methods may be called from any thread. The first call loads the native library.
 */
public final class RuVector {
  private RuVector() {}

  /**
   * The version of the native library, as in {@code 1.2.3}.
   *
   * @throws NativeLibraryException if the native library cannot be loaded
   */
  public static String version() {
    return NativeLibrary.version();
  }

  /**
   * The instruction sets that the kernels use on this machine, for people to read.
   *
   * @throws NativeLibraryException if the native library cannot be loaded
   */
  public static String cpuFeatures() {
    return NativeLibrary.cpuFeatures();
  }

  /**
   * Sets the number of threads of the native pool, which serves builds and batch searches, and of
   * the pool behind {@code searchAsync}. Without this call, each has {@code min(8, cores)} threads,
   * or as many as the environment variable {@code RUVECTOR_THREADS} says for the native one. A
   * single search always runs on one thread.
   *
   * @param threads 1 to 1,024
   * @throws IllegalArgumentException if {@code threads} is out of range
   * @throws RuVectorException if the native pool has already started with another number
   */
  public static void configure(int threads) {
    Checks.inRange("threads", threads, 1, 1_024);
    NativeLibrary.configure(threads);
    SearchPool.resize(threads);
  }
}
