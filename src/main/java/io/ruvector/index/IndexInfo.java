package io.ruvector.index;

/**
 * What an index is and holds at one moment.
 *
 * @param kind its kind
 * @param metric how far two vectors are apart
 * @param dim components of each vector
 * @param bits bits of code for each component; 0: no codes
 * @param originals where the vectors live
 * @param rerankFactor the default of searches
 * @param epsilon the default of searches
 * @param nlist the cells that an {@link IvfIndex} was asked for; 0: by the number of rows
 * @param nprobe the default of searches; 0: four times the square root of the number of cells
 * @param seed the seed of the rotation
 * @param size rows that can be found
 * @param deleted removed rows whose memory {@link VectorIndex#compact()} gives back
 * @param segments parts that the rows lie in
 * @param cells cells that the rows are divided into; 0 while an {@link IvfIndex} has too few rows
 *     for two, and in other kinds
 * @param memoryBytes private memory, in bytes
 * @param mappedBytes mapped memory, in bytes
 * @param version a number that grows with every change
 */
public record IndexInfo(
    IndexKind kind,
    Metric metric,
    int dim,
    int bits,
    Originals originals,
    int rerankFactor,
    float epsilon,
    int nlist,
    int nprobe,
    long seed,
    long size,
    long deleted,
    int segments,
    int cells,
    long memoryBytes,
    long mappedBytes,
    long version) {}
