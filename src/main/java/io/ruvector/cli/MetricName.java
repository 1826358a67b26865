package io.ruvector.cli;

import io.ruvector.index.Metric;

/** The metrics by their short names. */
enum MetricName {
  L2(Metric.L2, "l2"),
  COSINE(Metric.COSINE, "cosine"),
  IP(Metric.INNER_PRODUCT, "ip");

  private final Metric metric;
  private final String text;

  MetricName(Metric metric, String text) {
    this.metric = metric;
    this.text = text;
  }

  static MetricName of(Metric metric) {
    return switch (metric) {
      case L2 -> L2;
      case COSINE -> COSINE;
      case INNER_PRODUCT -> IP;
    };
  }

  Metric metric() {
    return metric;
  }

  @Override
  public String toString() {
    return text;
  }
}
