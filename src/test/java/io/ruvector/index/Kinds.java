package io.ruvector.index;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/**
 * The kinds of index by their number, for tests that run over all of them. An IVF index has a few
 * cells however small it is, and searches look into all of them, so that it finds what a flat one
 * finds; {@link IvfIndexTest} has searches of a part of the cells.
 */
final class Kinds {
  private static final int CELLS = 5;
  private static final int ALL_CELLS = 65_536;

  private Kinds() {}

  static IndexOptions cells(IndexOptions options) {
    return options.nlist() == 0 ? options.nlist(CELLS).nprobe(ALL_CELLS) : options;
  }

  static VectorIndex create(IndexKind kind, int dim, IndexOptions options) {
    return switch (kind) {
      case FLAT_F32 -> FlatF32Index.create(dim, options);
      case RABITQ -> RabitqIndex.create(dim, options);
      case RABITQ_ASYM -> RabitqAsymIndex.create(dim, options);
      case RABITQ_PLUS -> RabitqPlusIndex.create(dim, options);
      case IVF -> IvfIndex.create(dim, cells(options));
    };
  }

  static VectorIndex build(IndexKind kind, Vectors vectors, Ids ids, IndexOptions options) {
    return switch (kind) {
      case FLAT_F32 -> FlatF32Index.build(vectors, ids, options);
      case RABITQ -> RabitqIndex.build(vectors, ids, options);
      case RABITQ_ASYM -> RabitqAsymIndex.build(vectors, ids, options);
      case RABITQ_PLUS -> RabitqPlusIndex.build(vectors, ids, options);
      case IVF -> IvfIndex.build(vectors, ids, cells(options));
    };
  }

  static VectorIndex build(IndexKind kind, float[][] vectors, IndexOptions options) {
    return build(kind, Vectors.copyOf(vectors), Ids.from(0), options);
  }

  /** Each kind with each metric. */
  static Stream<Arguments> kindsAndMetrics() {
    List<Arguments> all = new ArrayList<>();
    for (IndexKind kind : IndexKind.values()) {
      for (Metric metric : Metric.values()) {
        all.add(Arguments.of(kind, metric));
      }
    }
    return all.stream();
  }
}
