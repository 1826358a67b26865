package io.ruvector.cli;

import io.ruvector.index.Originals;
import java.util.Locale;

/** Where originals may live for a command: a process that ends has no buffer to adopt. */
enum OriginalsName {
  COPY(Originals.COPY),
  MAPPED(Originals.MAPPED),
  NONE(Originals.NONE);

  private final Originals originals;

  OriginalsName(Originals originals) {
    this.originals = originals;
  }

  Originals originals() {
    return originals;
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
