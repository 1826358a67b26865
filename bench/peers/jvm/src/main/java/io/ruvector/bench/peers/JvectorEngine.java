package io.ruvector.bench.peers;

import io.github.jbellis.jvector.disk.ReaderSupplier;
import io.github.jbellis.jvector.disk.ReaderSupplierFactory;
import io.github.jbellis.jvector.graph.GraphIndexBuilder;
import io.github.jbellis.jvector.graph.GraphSearcher;
import io.github.jbellis.jvector.graph.ImmutableGraphIndex;
import io.github.jbellis.jvector.graph.ListRandomAccessVectorValues;
import io.github.jbellis.jvector.graph.RandomAccessVectorValues;
import io.github.jbellis.jvector.graph.SearchResult;
import io.github.jbellis.jvector.graph.disk.OnDiskGraphIndex;
import io.github.jbellis.jvector.graph.disk.OnDiskGraphIndexWriter;
import io.github.jbellis.jvector.graph.disk.feature.Feature;
import io.github.jbellis.jvector.graph.disk.feature.FeatureId;
import io.github.jbellis.jvector.graph.disk.feature.FusedPQ;
import io.github.jbellis.jvector.graph.disk.feature.InlineVectors;
import io.github.jbellis.jvector.graph.similarity.BuildScoreProvider;
import io.github.jbellis.jvector.graph.similarity.DefaultSearchScoreProvider;
import io.github.jbellis.jvector.graph.similarity.SearchScoreProvider;
import io.github.jbellis.jvector.quantization.PQVectors;
import io.github.jbellis.jvector.quantization.ProductQuantization;
import io.github.jbellis.jvector.util.Bits;
import io.github.jbellis.jvector.vector.VectorSimilarityFunction;
import io.github.jbellis.jvector.vector.VectorizationProvider;
import io.github.jbellis.jvector.vector.types.VectorFloat;
import io.github.jbellis.jvector.vector.types.VectorTypeSupport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ForkJoinPool;
import java.util.function.IntFunction;

/**
 * jvector's graph, built on the floats and saved with them. Searches score by the floats, in
 * memory; with {@code --sub} dimensions a subspace by product quantisation fused into the graph,
 * and the {@code ef} candidates again by their floats.
 */
final class JvectorEngine implements Engine {
  private static final VectorTypeSupport TYPES =
      VectorizationProvider.getInstance().getVectorTypeSupport();
  private static final VectorSimilarityFunction L2 = VectorSimilarityFunction.EUCLIDEAN;
  private static final int BEAM_WIDTH = 200;
  private static final float OVERFLOW = 1.2f;
  private static final float ALPHA = 1.2f;
  private static final int CENTROIDS = 256;

  private final int sub;
  private final int degree;
  private final int k;
  private List<VectorFloat<?>> queries = List.of();
  private RandomAccessVectorValues vectors;
  private ReaderSupplier file;
  private OnDiskGraphIndex graph;
  private GraphSearcher searcher;
  private int candidates;

  /** Fused with product quantisation where {@code sub} is above 0. */
  JvectorEngine(int sub, int degree, int k) {
    this.sub = sub;
    this.degree = degree;
    this.k = k;
  }

  private static List<VectorFloat<?>> vectors(float[][] rows) {
    List<VectorFloat<?>> vectors = new ArrayList<>(rows.length);
    for (float[] row : rows) {
      vectors.add(TYPES.createFloatVector(row));
    }
    return vectors;
  }

  @Override
  public void build(float[][] base, Path folder) throws IOException {
    int dim = base[0].length;
    var rows = new ListRandomAccessVectorValues(vectors(base), dim);
    // One thread: the builder would take the common pool.
    try (var pool = new ForkJoinPool(1);
        var builder =
            new GraphIndexBuilder(
                BuildScoreProvider.randomAccessScoreProvider(rows, L2),
                dim,
                degree,
                BEAM_WIDTH,
                OVERFLOW,
                ALPHA,
                true,
                true,
                pool,
                pool)) {
      ImmutableGraphIndex built = builder.build(rows);
      var writing = new OnDiskGraphIndexWriter.Builder(built, folder.resolve("graph"));
      writing.with(new InlineVectors(dim));
      Map<FeatureId, IntFunction<Feature.State>> features = new EnumMap<>(FeatureId.class);
      features.put(FeatureId.INLINE_VECTORS, row -> new InlineVectors.State(rows.getVector(row)));
      if (sub > 0) {
        var quantizer =
            ProductQuantization.compute(rows, dim / sub, CENTROIDS, true, -1, pool, pool);
        PQVectors codes = (PQVectors) quantizer.encodeAll(rows, pool);
        writing.with(new FusedPQ(built.maxDegree(), quantizer));
        features.put(FeatureId.FUSED_PQ, row -> new FusedPQ.State(built.getView(), codes, row));
      }
      try (OnDiskGraphIndexWriter writer = writing.build()) {
        writer.write(features);
      }
    }
  }

  @Override
  public void open(float[][] base, float[][] wanted, Path folder) throws IOException {
    queries = vectors(wanted);
    vectors = new ListRandomAccessVectorValues(vectors(base), base[0].length);
    file = ReaderSupplierFactory.open(folder.resolve("graph"));
    graph = OnDiskGraphIndex.load(file);
    searcher = new GraphSearcher(graph);
  }

  @Override
  public void apply(Map<String, Integer> setting) {
    candidates = Math.max(k, setting.getOrDefault("ef", k));
  }

  @Override
  public int[] search(int query) {
    VectorFloat<?> target = queries.get(query);
    // The searcher's own view: fused codes are read from where it stands in the graph.
    var view = (ImmutableGraphIndex.ScoringView) searcher.getView();
    SearchScoreProvider scores =
        sub > 0
            ? new DefaultSearchScoreProvider(
                view.approximateScoreFunctionFor(target, L2), vectors.rerankerFor(target, L2))
            : DefaultSearchScoreProvider.exact(target, L2, vectors);
    SearchResult.NodeScore[] found =
        searcher.search(scores, k, candidates, 0, 0, Bits.ALL).getNodes();
    int[] rows = new int[found.length];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = found[i].node;
    }
    return rows;
  }

  @Override
  public void close() throws IOException {
    searcher.close();
    graph.close();
    file.close();
  }
}
