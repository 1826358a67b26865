package io.ruvector.index;

/**
 * The mean recall of some queries, and how far that of other queries may be from it.
 *
 * @param queries how many there were
 * @param mean their mean recall
 * @param deviation the standard deviation of a query's recall
 * @param low where the 95% interval of the true mean begins
 * @param high where it ends
 */
record RecallEstimate(int queries, double mean, double deviation, double low, double high) {
  /** Quantiles of the normal distribution: 95% of it lie below the one, and within the other. */
  private static final double ONE_SIDED = 1.645;

  private static final double TWO_SIDED = 1.960;

  /**
   * The estimate from the recall of each query.
   *
   * @param recalls 0 to 1 each, one at least
   * @param k hits asked for: a query can miss a {@code k}-th part
   */
  static RecallEstimate of(double[] recalls, int k) {
    int n = recalls.length;
    // A query that missed one hit joins them: queries that agree prove no certainty.
    double pseudo = 1 - 1.0 / k;
    double sum = 0;
    double squares = pseudo * pseudo;
    for (double recall : recalls) {
      sum += recall;
      squares += recall * recall;
    }
    double smoothed = (sum + pseudo) / (n + 1);
    double variance = Math.max(0, squares / (n + 1) - smoothed * smoothed);
    double mean = sum / n;
    // Wilson's interval for as many independent hits as would vary so much.
    double independent =
        variance > 0 ? Math.clamp(smoothed * (1 - smoothed) / variance, 1, k) * n : n;
    double z2 = TWO_SIDED * TWO_SIDED / independent;
    double centre = (mean + z2 / 2) / (1 + z2);
    double half =
        TWO_SIDED / (1 + z2) * Math.sqrt(mean * (1 - mean) / independent + z2 / (4 * independent));
    return new RecallEstimate(
        n,
        mean,
        Math.sqrt(variance),
        Math.clamp(centre - half, 0, mean),
        Math.clamp(centre + half, mean, 1));
  }

  /** How far the mean of so many other queries may fall short of this one, 19 times in 20. */
  double margin(int others) {
    return ONE_SIDED * deviation * Math.sqrt(1.0 / queries + 1.0 / others);
  }
}
