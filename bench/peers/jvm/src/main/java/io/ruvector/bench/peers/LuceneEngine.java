package io.ruvector.bench.peers;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.apache.lucene.codecs.KnnVectorsFormat;
import org.apache.lucene.codecs.lucene104.Lucene104Codec;
import org.apache.lucene.codecs.lucene104.Lucene104HnswScalarQuantizedVectorsFormat;
import org.apache.lucene.codecs.lucene99.Lucene99HnswVectorsFormat;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.KnnFloatVectorField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.FloatVectorValues;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.LeafReader;
import org.apache.lucene.index.NoMergePolicy;
import org.apache.lucene.index.VectorSimilarityFunction;
import org.apache.lucene.search.AcceptDocs;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.VectorScorer;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.MMapDirectory;
import org.apache.lucene.util.quantization.QuantizedByteVectorValues.ScalarEncoding;

/**
 * Lucene's HNSW graph over floats ({@code --bits 32}) or quantised vectors ({@code --bits 1, 2, 4,
 * 7, 8}) in one segment. {@code ef} candidates are collected; of quantised ones the first {@code
 * rerank} are scored again by their floats. Searches go to the segment's reader, below the queries'
 * own machinery.
 */
final class LuceneEngine implements Engine {
  private static final String FIELD = "vector";
  private static final int BEAM_WIDTH = 200;
  private static final int FLOATS = 32;

  /** Below the 2 GiB at which Lucene would begin another segment. */
  private static final double BUFFER_MIB = 2000;

  private final int bits;
  private final int degree;
  private final int k;
  private float[][] queries = new float[0][];
  private Directory directory;
  private DirectoryReader reader;
  private LeafReader leaf;
  private FloatVectorValues originals;
  private AcceptDocs all;
  private int candidates;
  private int reranked;

  LuceneEngine(int bits, int degree, int k) {
    this.bits = bits;
    this.degree = degree;
    this.k = k;
  }

  @Override
  public void build(float[][] base, Path folder) throws IOException {
    IndexWriterConfig config =
        new IndexWriterConfig(null)
            .setCodec(codec())
            .setMergePolicy(NoMergePolicy.INSTANCE)
            .setUseCompoundFile(false)
            .setRAMBufferSizeMB(BUFFER_MIB);
    try (Directory target = new MMapDirectory(folder);
        IndexWriter writer = new IndexWriter(target, config)) {
      Document document = new Document();
      KnnFloatVectorField field =
          new KnnFloatVectorField(FIELD, base[0], VectorSimilarityFunction.EUCLIDEAN);
      document.add(field);
      for (float[] row : base) {
        field.setVectorValue(row);
        writer.addDocument(document);
      }
      writer.commit();
    }
  }

  private Lucene104Codec codec() {
    int connections = degree / 2;
    KnnVectorsFormat format =
        bits == FLOATS
            ? new Lucene99HnswVectorsFormat(connections, BEAM_WIDTH)
            : new Lucene104HnswScalarQuantizedVectorsFormat(
                ScalarEncoding.fromNumBits(bits), connections, BEAM_WIDTH);
    return new Lucene104Codec() {
      @Override
      public KnnVectorsFormat getKnnVectorsFormatForField(String field) {
        return format;
      }
    };
  }

  @Override
  public void open(float[][] base, float[][] wanted, Path folder) throws IOException {
    queries = wanted;
    directory = new MMapDirectory(folder);
    reader = DirectoryReader.open(directory);
    if (reader.leaves().size() != 1) {
      throw new IOException("one segment expected, found " + reader.leaves().size());
    }
    leaf = reader.leaves().getFirst().reader();
    originals = leaf.getFloatVectorValues(FIELD);
    all = AcceptDocs.fromLiveDocs(leaf.getLiveDocs(), leaf.maxDoc());
  }

  @Override
  public void apply(Map<String, Integer> setting) {
    candidates = Math.max(k, setting.getOrDefault("ef", k));
    reranked = bits == FLOATS ? 0 : Math.clamp(setting.getOrDefault("rerank", k), k, candidates);
  }

  @Override
  public int[] search(int query) throws IOException {
    float[] target = queries[query];
    ScoreDoc[] found =
        leaf.searchNearestVectors(FIELD, target, candidates, all, Integer.MAX_VALUE).scoreDocs;
    ScoreDoc[] hits =
        reranked == 0
            ? found
            : rescored(Arrays.copyOf(found, Math.min(reranked, found.length)), target);
    int[] rows = new int[Math.min(k, hits.length)];
    Arrays.setAll(rows, i -> hits[i].doc);
    return rows;
  }

  private ScoreDoc[] rescored(ScoreDoc[] hits, float[] target) throws IOException {
    Arrays.sort(hits, (a, b) -> Integer.compare(a.doc, b.doc));
    VectorScorer scorer = originals.rescorer(target);
    DocIdSetIterator rows = scorer.iterator();
    for (ScoreDoc hit : hits) {
      rows.advance(hit.doc);
      hit.score = scorer.score();
    }
    Arrays.sort(hits, (a, b) -> Float.compare(b.score, a.score));
    return hits;
  }

  @Override
  public void close() throws IOException {
    reader.close();
    directory.close();
  }
}
