package io.ruvector.cli;

import io.ruvector.index.FlatF32Index;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexKind;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.IvfIndex;
import io.ruvector.index.RabitqAsymIndex;
import io.ruvector.index.RabitqIndex;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.VectorIndex;
import io.ruvector.index.Vectors;
import java.util.Locale;

/** The kinds of index by their short names. */
enum KindName {
  FLAT,
  RABITQ,
  ASYM,
  PLUS,
  IVF;

  static KindName of(IndexKind kind) {
    return switch (kind) {
      case FLAT_F32 -> FLAT;
      case RABITQ -> RABITQ;
      case RABITQ_ASYM -> ASYM;
      case RABITQ_PLUS -> PLUS;
      case IVF -> IVF;
    };
  }

  IndexKind kind() {
    return switch (this) {
      case FLAT -> IndexKind.FLAT_F32;
      case RABITQ -> IndexKind.RABITQ;
      case ASYM -> IndexKind.RABITQ_ASYM;
      case PLUS -> IndexKind.RABITQ_PLUS;
      case IVF -> IndexKind.IVF;
    };
  }

  VectorIndex build(Vectors vectors, Ids ids, IndexOptions options) {
    return switch (this) {
      case FLAT -> FlatF32Index.build(vectors, ids, options);
      case RABITQ -> RabitqIndex.build(vectors, ids, options);
      case ASYM -> RabitqAsymIndex.build(vectors, ids, options);
      case PLUS -> RabitqPlusIndex.build(vectors, ids, options);
      case IVF -> IvfIndex.build(vectors, ids, options);
    };
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
