package io.ruvector.cli;

import java.util.Locale;

enum Format {
  TABLE,
  JSON,
  JSONL,
  CSV;

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
