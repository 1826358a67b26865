package io.ruvector.cli;

import io.ruvector.index.IndexInfo;
import io.ruvector.index.VectorIndex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What commands print about a saved index. */
final class IndexInfoRow {
  private IndexInfoRow() {}

  static Row of(Path file, VectorIndex index) throws IOException {
    IndexInfo info = index.info();
    return new Row()
        .put("file", file.toString())
        .put("kind", KindName.of(info.kind()).toString())
        .put("metric", MetricName.of(info.metric()).toString())
        .put("dim", info.dim())
        .put("bits", info.bits())
        .put("rows", info.size())
        .put("cells", info.cells())
        .put("file_bytes", Files.size(file))
        .put("memory_bytes", info.memoryBytes())
        .put("mapped_bytes", info.mappedBytes())
        .put("rerank_factor", info.rerankFactor())
        .put("epsilon", info.epsilon())
        .put("nprobe", info.nprobe())
        .put("seed", info.seed());
  }
}
