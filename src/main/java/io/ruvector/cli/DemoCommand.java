package io.ruvector.cli;

import io.ruvector.index.Hit;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.Metric;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "demo",
    description = {
      "Show which words are near others, by an index of 20,000 English word vectors.",
      "",
      "Then compares the kinds of index with the exact scan: the recall of the true 10 nearest, "
          + "queries per second and the slowest hundredth on one thread, and memory."
    },
    footer = {"", "Example:", "  ruvector demo coffee guitar"})
final class DemoCommand implements Callable<Integer> {
  private static final List<String> DEFAULT_WORDS = List.of("coffee", "guitar", "berlin");
  private static final int NEAREST = 10;
  private static final int SPELLINGS = 5;

  /** Each so-many-th word is a query of the comparison. */
  private static final int QUERY_STEP = 40;

  private static final double WARM_UP_SECONDS = .1;
  private static final double PASS_SECONDS = .04;

  @Parameters(arity = "0..*", paramLabel = "WORD", description = "By default a few.")
  private List<String> words = DEFAULT_WORDS;

  @Option(
      names = "-k",
      defaultValue = "5",
      paramLabel = "K",
      description = "Words near each; by default ${DEFAULT-VALUE}.")
  private int k;

  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() throws IOException {
    WordVectors known = WordVectors.load();
    Vectors vectors = known.vectors();
    IndexOptions options = IndexOptions.of(Metric.COSINE);
    boolean allFound = true;
    long start = System.nanoTime();
    Report report = output.report();
    try (VectorIndex flat = KindName.FLAT.build(vectors, Ids.from(0), options);
        VectorIndex plus = KindName.PLUS.build(vectors, Ids.from(0), options);
        VectorIndex ivf = KindName.IVF.build(vectors, Ids.from(0), options);
        VectorIndex asym = KindName.ASYM.build(vectors, Ids.from(0), options);
        VectorIndex rabitq = KindName.RABITQ.build(vectors, Ids.from(0), options)) {
      output.say(
          "%,d words, %d dimensions, as five indexes in %.2f s"
              .formatted(vectors.rows(), vectors.dim(), (System.nanoTime() - start) / 1e9));
      for (String word : words) {
        Integer row = known.row(word);
        if (row == null) {
          allFound = false;
          output.say(
              "ruvector: '%s' is not one of the %d words; spelt like it: %s"
                  .formatted(
                      word,
                      vectors.rows(),
                      String.join(", ", known.nearSpellings(word, SPELLINGS))));
        } else {
          answer(report, plus, known, row);
        }
      }
      var comparison = new Comparison(vectors, flat);
      report.add("indexes", comparison.row("FlatF32Index (exact)", flat));
      report.add("indexes", comparison.row("RabitqPlusIndex", plus));
      report.add("indexes", comparison.row("IvfIndex", ivf));
      report.add("indexes", comparison.row("RabitqAsymIndex", asym));
      report.add("indexes", comparison.row("RabitqIndex", rabitq));
    }
    report.finish();
    return allFound ? ExitCode.OK : ExitCode.NOT_FOUND;
  }

  private void answer(Report report, VectorIndex index, WordVectors known, int row) {
    int rank = 0;
    for (Hit hit : index.search(known.vectors().row(row), k + 1)) {
      if (hit.id() != row && rank < k) {
        rank++;
        report.add(
            "near words",
            new Row()
                .put("word", known.word(row))
                .put("rank", rank)
                .put("near", known.word(hit.id()))
                .put("similarity", 1 - hit.score(), 4));
      }
    }
  }

  /** The same queries for each index, against what the exact scan finds. */
  private static final class Comparison {
    private final float[][] queries;
    private final long[][] truth;
    private final long floatBytes;

    Comparison(Vectors vectors, VectorIndex exact) {
      queries = new float[(int) (vectors.rows() / QUERY_STEP)][];
      truth = new long[queries.length][];
      floatBytes = vectors.rows() * vectors.dim() * Float.BYTES;
      for (int i = 0; i < queries.length; i++) {
        queries[i] = vectors.row((long) i * QUERY_STEP);
        truth[i] = exact.search(queries[i], NEAREST + 1).ids();
      }
    }

    Row row(String name, VectorIndex index) {
      long[] ids = new long[NEAREST + 1];
      float[] scores = new float[NEAREST + 1];
      SearchRequest[] requests = new SearchRequest[queries.length];
      for (int i = 0; i < requests.length; i++) {
        requests[i] = SearchRequest.of(queries[i]).k(NEAREST + 1);
      }
      var measurement = new Measurement(query -> index.search(requests[query], ids, scores));
      measurement.warmUp(queries.length / 10, WARM_UP_SECONDS);
      int found = 0;
      for (int i = 0; i < queries.length; i++) {
        measurement.time(i);
        found += common(ids, truth[i], (long) i * QUERY_STEP);
      }
      Measurement.Speed speed = measurement.run(0, queries.length, PASS_SECONDS);
      long bytes = index.memoryBytes();
      return new Row()
          .put("index", name)
          .put("bits", index.info().bits())
          .put("recall@10", (double) found / NEAREST / queries.length, 4)
          .put("qps", speed.wall(), 0)
          .put("p99_us", measurement.micros(.99), 0)
          .put("bytes", bytes)
          .put("of_float32", (double) bytes / floatBytes, 2);
    }

    /** Each word is nearest to itself, which is no achievement. */
    private static int common(long[] ids, long[] truth, long self) {
      Set<Long> wanted = new HashSet<>();
      for (long id : truth) {
        wanted.add(id);
      }
      wanted.remove(self);
      int found = 0;
      for (long id : ids) {
        if (wanted.contains(id)) {
          found++;
        }
      }
      return Math.min(found, NEAREST);
    }
  }
}
