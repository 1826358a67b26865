package io.ruvector.index;

/**
 * Parameters that should reach a recall, from a model that was measured on real vectors.
 *
 * @param kind the kind of index that is fastest then
 * @param bits bits of code for each component; 0: no codes
 * @param nlist for {@link IndexOptions#nlist(int)}; 0: by the number of rows, or no cells
 * @param nprobe for {@link IndexOptions#nprobe(int)}; 0: no cells
 * @param rerankFactor for {@link IndexOptions#rerankFactor(int)}
 * @param epsilon for {@link IndexOptions#epsilon(float)}
 * @param expectedRecall the recall that the model expects of them at least, 0 to 1
 * @param rowBytes what a row takes in bytes: original, code and id, without a share in what all
 *     rows have in common
 */
public record Recommendation(
    IndexKind kind,
    int bits,
    int nlist,
    int nprobe,
    int rerankFactor,
    float epsilon,
    float expectedRecall,
    int rowBytes) {
  /** The default options with these parameters. */
  public IndexOptions options() {
    return IndexOptions.defaults()
        .bits(bits)
        .nlist(nlist)
        .nprobe(nprobe)
        .rerankFactor(rerankFactor)
        .epsilon(epsilon);
  }
}
