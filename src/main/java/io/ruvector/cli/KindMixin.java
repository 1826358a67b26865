package io.ruvector.cli;

import io.ruvector.index.IndexOptions;
import picocli.CommandLine.Option;

/** What an index is made of. */
final class KindMixin {
  @Option(
      names = "--index",
      required = true,
      paramLabel = "KIND",
      description =
          "${COMPLETION-CANDIDATES}: exact scan; 1-bit codes; codes of 1 to 8 bits; codes and "
              + "originals; cells of codes, with originals or without.")
  private KindName name = KindName.PLUS;

  @Option(
      names = "--metric",
      defaultValue = "l2",
      paramLabel = "METRIC",
      description = "${COMPLETION-CANDIDATES} (inner product); by default ${DEFAULT-VALUE}.")
  private MetricName metric = MetricName.L2;

  @Option(
      names = "--bits",
      defaultValue = "0",
      paramLabel = "B",
      description = "Bits of code for each component, 1 to 8; by default what suits the kind.")
  private int bits;

  @Option(
      names = "--originals",
      defaultValue = "copy",
      paramLabel = "WHERE",
      description =
          "${COMPLETION-CANDIDATES}: where the vectors live in kinds that keep them, of which only "
              + "ivf can do without; by default ${DEFAULT-VALUE}.")
  private OriginalsName originals = OriginalsName.COPY;

  @Option(
      names = "--nlist",
      defaultValue = "0",
      paramLabel = "N",
      description = "Cells of ivf; by default what suits the number of vectors.")
  private int nlist;

  @Option(
      names = "--nprobe",
      defaultValue = "0",
      paramLabel = "N",
      description =
          "The searches' default number of cells of ivf to look into at most; by default four "
              + "times the square root of all.")
  private int nprobe;

  KindName name() {
    return name;
  }

  MetricName metric() {
    return metric;
  }

  IndexOptions options() {
    return IndexOptions.of(metric.metric())
        .bits(bits)
        .originals(originals.originals())
        .nlist(nlist)
        .nprobe(nprobe);
  }
}
