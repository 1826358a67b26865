package io.ruvector.bench;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.ruvector.RuVector;
import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Opening a saved index in processes that have done nothing else: {@code java -cp benchmarks.jar
 * io.ruvector.bench.FreshOpen [PROCESSES]}. Prints medians in microseconds over 20 processes of
 * loading the native library, of opening the file and of the first search after it, and of both
 * once more in the same process. The first of each includes what the JVM does once: loading classes
 * and linking native functions.
 */
public final class FreshOpen {
  private static final int PROCESSES = 20;
  private static final int SEARCHES = 200;
  private static final int K = 10;
  private static final List<String> COLUMNS =
      List.of("load", "open 1", "search 1", "open 2", "search 2", "steady", "ratio 2");

  private FreshOpen() {}

  public static void main(String[] args) throws IOException, InterruptedException {
    if (args.length == 2) {
      child(Path.of(args[0]), Integer.parseInt(args[1]));
      return;
    }
    int processes = args.length == 0 ? PROCESSES : Integer.parseInt(args[0]);
    System.out.println("| kind | shape | " + String.join(" | ", COLUMNS) + " |");
    System.out.println("|---|---|" + "---|".repeat(COLUMNS.size()));
    for (String shape : List.of("100000x128", "300000x100")) {
      for (String kind : List.of("flat", "asym", "plus")) {
        int dim = Integer.parseInt(shape.substring(shape.indexOf('x') + 1));
        try (SavedIndex saved = SavedIndex.of(kind, shape)) {
          List<double[]> runs = new ArrayList<>();
          for (int i = 0; i < processes; i++) {
            runs.add(run(saved.file(), dim));
          }
          var line = new StringBuilder("| %s | %s |".formatted(kind, shape));
          for (int column = 0; column < COLUMNS.size(); column++) {
            int at = column;
            line.append(" %.1f |".formatted(median(runs.stream().mapToDouble(r -> r[at]).toArray())));
          }
          System.out.println(line);
        }
      }
    }
  }

  private static double[] run(Path file, int dim) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                FreshOpen.class.getName(),
                file.toString(),
                Integer.toString(dim))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String line = new String(process.getInputStream().readAllBytes(), US_ASCII);
    if (process.waitFor() != 0) {
      throw new IOException("a process ended with status " + process.exitValue());
    }
    return Arrays.stream(line.trim().split(" ")).mapToDouble(Double::parseDouble).toArray();
  }

  private static void child(Path file, int dim) {
    float[][] queries = new Clustered(dim).queries(SEARCHES);
    long begin = System.nanoTime();
    RuVector.version();
    double load = micros(begin);
    double[] first = openAndSearch(file, queries[0]);
    double steady;
    try (VectorIndex index = VectorIndex.open(file)) {
      steady = steady(index, queries);
    }
    double[] second = openAndSearch(file, queries[0]);
    System.out.printf(
        "%f %f %f %f %f %f %f%n",
        load, first[0], first[1], second[0], second[1], steady, second[1] / steady);
  }

  private static double[] openAndSearch(Path file, float[] query) {
    long begin = System.nanoTime();
    try (VectorIndex index = VectorIndex.open(file)) {
      double open = micros(begin);
      begin = System.nanoTime();
      index.search(query, K);
      return new double[] {open, micros(begin)};
    }
  }

  private static double steady(VectorIndex index, float[][] queries) {
    var times = new double[queries.length];
    for (int i = 0; i < queries.length; i++) {
      long begin = System.nanoTime();
      index.search(queries[i], K);
      times[i] = micros(begin);
    }
    return median(times);
  }

  private static double micros(long begin) {
    return (System.nanoTime() - begin) / 1e3;
  }

  /** Sorts the values. */
  static double median(double[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }
}
