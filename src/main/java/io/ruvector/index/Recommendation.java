package io.ruvector.index;

/**
 * Parameters that should reach a recall, from a model that was measured on real vectors.
 *
 * @param kind the kind of index
 * @param bits bits of code for each component; 0: no codes
 * @param rerankFactor for {@link IndexOptions#rerankFactor(int)}
 * @param epsilon for {@link IndexOptions#epsilon(float)}
 * @param expectedRecall the recall that the model expects of them, 0 to 1
 */
public record Recommendation(
    IndexKind kind, int bits, int rerankFactor, float epsilon, float expectedRecall) {
  /** The default options with these parameters. */
  public IndexOptions options() {
    return IndexOptions.defaults().bits(bits).rerankFactor(rerankFactor).epsilon(epsilon);
  }
}
