package io.ruvector.bench.peers;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Lucene and jvector by the contract of {@code ruvector bench}: same flags, same lines.
 *
 * <p>{@code --index lucene --bits 32|8|7|4|2|1} (sweep ef, rerank) or {@code jvector [--sub N]}
 * (sweep ef), both with {@code --degree}. With {@code --cache DIR} an index is built once: a later
 * run opens it and repeats the line about the build. An index is always searched as opened from its
 * files.
 */
final class Main {
  private static final String LUCENE = "Lucene 10.6.0";
  private static final String JVECTOR = "jvector 4.0.0-rc.8";

  private static final double COMPILE_SECONDS = 2;

  private final Map<String, String> flags;
  private final String version;
  private final float[][] base;
  private final float[][] queries;

  private Main(Map<String, String> flags) throws IOException {
    this.flags = flags;
    this.version = flags.get("index").equals("lucene") ? LUCENE : JVECTOR;
    int dim = number("dim", 0);
    this.base = rows(flag("base"), dim);
    this.queries = rows(flag("queries"), dim);
  }

  public static void main(String[] arguments) throws IOException {
    Map<String, String> flags = new HashMap<>();
    for (int i = 0; i < arguments.length; i += 2) {
      if (!arguments[i].startsWith("--") || i + 1 == arguments.length) {
        throw new IllegalArgumentException("--flag value expected: " + arguments[i]);
      }
      flags.put(arguments[i].substring(2), arguments[i + 1]);
    }
    new Main(flags).run();
  }

  private String flag(String name) {
    return Objects.requireNonNull(flags.get(name), "--" + name);
  }

  private int number(String name, int otherwise) {
    return flags.containsKey(name) ? Integer.parseInt(flag(name)) : otherwise;
  }

  private void run() throws IOException {
    int k = number("k", 10);
    var recall = new Recall(base, queries, truth(), number("truth-k", 100), k);
    int degree = number("degree", 32);
    Engine engine =
        switch (flag("index")) {
          case "lucene" -> new LuceneEngine(number("bits", 32), degree, k);
          case "jvector" -> new JvectorEngine(number("sub", 0), degree, k);
          default -> throw new IllegalArgumentException("--index lucene|jvector");
        };
    String tag = flags.getOrDefault("tag", "");
    Path home = home();
    System.out.printf("{\"tag\":\"%s\",%s}%n", tag, prepare(engine, home));
    engine.open(base, queries, home.resolve("index"));
    try (engine) {
      List<Map<String, Integer>> settings = settings(flags.getOrDefault("sweep", ""));
      engine.apply(settings.getFirst());
      compile(engine);
      for (Map<String, Integer> setting : settings) {
        engine.apply(setting);
        String name = String.join(";", setting.entrySet().stream().map(Object::toString).toList());
        System.out.printf(
            "{\"tag\":\"%s\",\"p\":\"%s\",%s}%n", tag, name, Measurement.of(engine, recall));
      }
    }
    if (!flags.containsKey("cache")) {
      delete(home);
    }
  }

  /** The compiler's own time belongs to no setting. */
  private void compile(Engine engine) throws IOException {
    double end = Process.cpuSeconds() + COMPILE_SECONDS;
    for (int i = 0; Process.cpuSeconds() < end; i = (i + 1) % queries.length) {
      engine.search(i);
    }
  }

  /** Where the index is kept: by what it depends on beside the base, or for this run only. */
  private Path home() throws IOException {
    if (!flags.containsKey("cache")) {
      return Files.createTempDirectory("peers").resolve("once");
    }
    List<String> key = new ArrayList<>(List.of(version.replace(' ', '-')));
    for (String name : List.of("bits", "sub", "degree")) {
      if (flags.containsKey(name)) {
        key.add(name + flag(name));
      }
    }
    return Path.of(flag("cache")).resolve(String.join("-", key));
  }

  /** The line about the build, without its tag. */
  private String prepare(Engine engine, Path home) throws IOException {
    Path kept = home.resolve("build.json");
    if (Files.exists(home)) {
      return Files.readString(kept);
    }
    // Whole or not at all.
    Path work = home.resolveSibling(home.getFileName() + ".part");
    delete(work);
    Path index = Files.createDirectories(work.resolve("index"));
    long resident = Process.residentBytes();
    double cpu = Process.cpuSeconds();
    long start = System.nanoTime();
    engine.build(base, index);
    double wall = (System.nanoTime() - start) / 1e9;
    cpu = Process.cpuSeconds() - cpu;
    resident = Process.residentBytes() - resident;
    String line =
        String.format(
            Locale.ROOT,
            "\"build_s\":%.3f,\"build_cpu_s\":%.3f,\"bytes_per_vec\":%.1f,\"resident_per_vec\":%.1f,\"cpu\":\"%s\"",
            wall,
            cpu,
            (double) bytes(index) / base.length,
            (double) resident / base.length,
            version + ", Java " + Runtime.version().feature());
    Files.writeString(work.resolve("build.json"), line);
    Files.move(work, home);
    return line;
  }

  private static long bytes(Path folder) throws IOException {
    long sum = 0;
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        sum += Files.size(file);
      }
    }
    return sum;
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  /** {@code a=1,2;b=3} gives {a=1, b=3} and {a=2, b=3}. */
  private static List<Map<String, Integer>> settings(String sweep) {
    List<Map<String, Integer>> settings = List.of(Map.of());
    for (String part : sweep.split(";")) {
      if (part.isEmpty()) {
        continue;
      }
      String[] values = part.substring(part.indexOf('=') + 1).split(",");
      List<Map<String, Integer>> product = new ArrayList<>();
      for (Map<String, Integer> setting : settings) {
        for (String value : values) {
          Map<String, Integer> one = new LinkedHashMap<>(setting);
          one.put(part.substring(0, part.indexOf('=')), Integer.parseInt(value));
          product.add(one);
        }
      }
      settings = product;
    }
    return settings;
  }

  private static MappedByteBuffer map(String file) throws IOException {
    try (FileChannel channel = FileChannel.open(Path.of(file))) {
      MappedByteBuffer bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
      bytes.order(ByteOrder.LITTLE_ENDIAN);
      return bytes;
    }
  }

  private static float[][] rows(String file, int dim) throws IOException {
    FloatBuffer floats = map(file).asFloatBuffer();
    float[][] rows = new float[floats.remaining() / dim][dim];
    for (float[] row : rows) {
      floats.get(row);
    }
    return rows;
  }

  private int[] truth() throws IOException {
    IntBuffer ints = map(flag("truth")).asIntBuffer();
    int[] rows = new int[ints.remaining()];
    ints.get(rows);
    return rows;
  }
}
