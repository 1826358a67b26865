package io.ruvector.bench;

import io.ruvector.index.Ids;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.VectorBuffer;
import io.ruvector.index.Vectors;
import io.ruvector.lake.BackendAdapter;
import io.ruvector.lake.Consistency;
import io.ruvector.lake.FsBackend;
import io.ruvector.lake.Generation;
import io.ruvector.lake.LakeResult;
import io.ruvector.lake.LocalBackend;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import io.ruvector.lake.VectorSink;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/**
 * What a lake costs over the index that it caches: {@code java -cp benchmarks.jar
 * io.ruvector.bench.LakeOverhead [THREADS]}, on 100,000 rows of 128 dimensions. Priming and warming
 * are measured a few times each; warm searches alternate with those of the index itself in rounds of
 * some 100 ms, and their ratio is the median over rounds, with its quartiles. So do searches that are all asked for at
 * once with those of two threads that take turns.
 */
public final class LakeOverhead {
  private static final int QUERIES = 500;
  private static final int K = 10;
  private static final int PRIMES = 9;
  private static final int COMPILED = 10_000;
  private static final int WARM_UP = 12;
  private static final int ROUNDS = 80;
  private static final int SEARCHES = 500;
  private static final int AT_ONCE = 100;

  /** After which a file's generation needs no hash of its content. */
  private static final long SETTLED_MILLIS = 2_500;

  private LakeOverhead() {}

  /** Rows that an adapter of a user's own pushes in one batch. */
  private record Own(Vectors rows) implements BackendAdapter {
    @Override
    public String id() {
      return "own";
    }

    @Override
    public List<String> collections() {
      return List.of("c");
    }

    @Override
    public Generation generation(String collection) {
      return Generation.of(1);
    }

    @Override
    public void pull(String collection, VectorSink sink) {
      sink.expect(rows.rows(), rows.dim());
      sink.add(rows, Ids.from(0));
    }
  }

  public static void main(String[] args) throws Exception {
    int threads = args.length == 0 ? 1 : Integer.parseInt(args[0]);
    var data = new Clustered();
    Path folder = Files.createTempDirectory("lake");
    try (VectorBuffer buffer = data.rows(Clustered.ROWS);
        var index = RabitqPlusIndex.build(buffer.asVectors(), IndexOptions.defaults());
        var memory = LocalBackend.create("memory");
        var files = FsBackend.open("files", folder);
        var lake = RuLake.builder().build()) {
      Vectors rows = buffer.asVectors();
      memory.replace("c", rows, Ids.from(0));
      files.write("c", rows, Ids.from(0));
      Thread.sleep(SETTLED_MILLIS);
      lake.registerBackend(memory);
      lake.registerBackend(files);
      lake.registerBackend(new Own(rows));
      float[][] queries = data.queries(QUERIES);
      List<Target> targets =
          lake.backendIds().stream().map(backend -> Target.of(backend, "c")).toList();
      // What Java has yet to compile is not what is measured.
      for (int i = 0; i < COMPILED; i++) {
        lake.search(targets.get(0), queries[i % QUERIES], K);
      }
      System.out.println("| backend | prime ms | warm ms | first search after it, us | later ones |");
      System.out.println("|---|---|---|---|---|");
      for (Target target : targets) {
        System.out.println(primed(lake, target, queries, folder.resolve(target.backend())));
      }
      System.out.printf("%n| search, %d threads | us | over the index |%n|---|---|---|%n", threads);
      Map<String, Consistency> all = new LinkedHashMap<>();
      all.put("fresh", Consistency.fresh());
      all.put("eventual", Consistency.eventual(Duration.ofHours(1)));
      all.put("frozen", Consistency.frozen());
      for (var consistency : all.entrySet()) {
        Map<String, Search> searches = new LinkedHashMap<>();
        searches.put("index", query -> index.search(query, K).size());
        for (Target target : targets) {
          lake.setConsistency(target, consistency.getValue());
          searches.put(target.backend(), query -> lake.search(target, query, K).size());
        }
        compare(consistency.getKey(), searches, queries, threads);
      }
      System.out.printf("%n| %d searches | ms | over two threads |%n|---|---|---|%n", AT_ONCE);
      atOnce(lake, targets.get(0), queries);
    } finally {
      delete(folder);
    }
  }

  /** One search. */
  private interface Search {
    int of(float[] query);
  }

  private static String primed(RuLake lake, Target target, float[][] queries, Path saved) {
    double[] primes = new double[PRIMES];
    double[] warms = new double[PRIMES];
    double[] firsts = new double[PRIMES];
    double[] later = new double[PRIMES];
    for (int i = 0; i < PRIMES; i++) {
      lake.invalidateCache(target);
      long begin = System.nanoTime();
      lake.search(target, queries[0], K);
      primes[i] = (System.nanoTime() - begin) / 1e6;
      lake.saveCacheToDir(target, saved);
      lake.invalidateCache(target);
      begin = System.nanoTime();
      lake.warmFromDir(target, saved);
      warms[i] = (System.nanoTime() - begin) / 1e6;
      begin = System.nanoTime();
      lake.search(target, queries[1], K);
      firsts[i] = (System.nanoTime() - begin) / 1e3;
      begin = System.nanoTime();
      for (float[] query : queries) {
        lake.search(target, query, K);
      }
      later[i] = (System.nanoTime() - begin) / 1e3 / QUERIES;
    }
    // Backends of the same rows would share the next one's.
    lake.invalidateCache(target);
    return "| %s | %.0f | %.0f | %.0f | %.0f |"
        .formatted(
            target.backend(),
            FreshOpen.median(primes),
            FreshOpen.median(warms),
            FreshOpen.median(firsts),
            FreshOpen.median(later));
  }

  private static void compare(
      String consistency, Map<String, Search> searches, float[][] queries, int threads)
      throws InterruptedException {
    Map<String, List<Double>> times = new LinkedHashMap<>();
    for (int round = 0; round < WARM_UP + ROUNDS; round++) {
      for (var search : searches.entrySet()) {
        double micros = micros(search.getValue(), queries, threads);
        if (round >= WARM_UP) {
          times.computeIfAbsent(search.getKey(), name -> new ArrayList<>()).add(micros);
        }
      }
    }
    List<Double> base = times.get("index");
    times.forEach(
        (name, measured) -> {
          double[] ratios = new double[ROUNDS];
          for (int i = 0; i < ROUNDS; i++) {
            ratios[i] = measured.get(i) / base.get(i);
          }
          double micros =
              FreshOpen.median(measured.stream().mapToDouble(Double::doubleValue).toArray());
          double middle = FreshOpen.median(ratios);
          System.out.printf(
              "| %s %s | %.1f | %.3f (%.3f-%.3f) |%n",
              consistency, name, micros, middle, ratios[ROUNDS / 4], ratios[ROUNDS * 3 / 4]);
        });
  }

  private static void atOnce(RuLake lake, Target target, float[][] queries) throws Exception {
    double[] async = new double[ROUNDS];
    double[] ratios = new double[ROUNDS];
    List<Callable<Void>> halves = new ArrayList<>();
    for (int t = 0; t < 2; t++) {
      int first = t;
      halves.add(
          () -> {
            for (int i = first; i < AT_ONCE; i += 2) {
              lake.search(target, queries[i], K);
            }
            return null;
          });
    }
    try (var two = Executors.newFixedThreadPool(2)) {
      for (int round = -WARM_UP; round < ROUNDS; round++) {
        long begin = System.nanoTime();
        for (Future<Void> half : two.invokeAll(halves)) {
          half.get();
        }
        double inTurn = (System.nanoTime() - begin) / 1e6;
        begin = System.nanoTime();
        List<CompletableFuture<LakeResult>> all = new ArrayList<>();
        for (int i = 0; i < AT_ONCE; i++) {
          all.add(lake.searchAsync(target, SearchRequest.of(queries[i]).k(K)));
        }
        for (CompletableFuture<LakeResult> one : all) {
          one.get();
        }
        if (round >= 0) {
          async[round] = (System.nanoTime() - begin) / 1e6;
          ratios[round] = async[round] / inTurn;
        }
      }
    }
    double middle = FreshOpen.median(ratios);
    System.out.printf(
        "| at once | %.1f | %.3f (%.3f-%.3f) |%n",
        FreshOpen.median(async), middle, ratios[ROUNDS / 4], ratios[ROUNDS * 3 / 4]);
  }

  private static double micros(Search search, float[][] queries, int threads)
      throws InterruptedException {
    List<Thread> running = new ArrayList<>();
    long begin = System.nanoTime();
    for (int t = 0; t < threads; t++) {
      int first = t * QUERIES / threads;
      Runnable loop =
          () -> {
            for (int i = 0; i < SEARCHES; i++) {
              if (search.of(queries[(first + i) % QUERIES]) != K) {
                throw new IllegalStateException("fewer hits than " + K);
              }
            }
          };
      running.add(Thread.ofPlatform().start(loop));
    }
    for (Thread thread : running) {
      thread.join();
    }
    return (System.nanoTime() - begin) / 1e3 / SEARCHES;
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path path : all.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.delete(path);
      }
    }
  }
}
