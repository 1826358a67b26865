package io.ruvector.cli;

import io.ruvector.index.OpenMode;
import java.util.Locale;

/** Where an open index is, by a short name. */
enum OpenModeName {
  MAPPED(OpenMode.MAPPED),
  MEMORY(OpenMode.IN_MEMORY),
  CODES(OpenMode.CODES_IN_MEMORY);

  private final OpenMode mode;

  OpenModeName(OpenMode mode) {
    this.mode = mode;
  }

  OpenMode mode() {
    return mode;
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
