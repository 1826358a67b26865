package io.ruvector.lake.parquet;

import dev.hardwood.metadata.PhysicalType;
import dev.hardwood.reader.ColumnReader;
import dev.hardwood.reader.ColumnReaders;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.schema.ColumnProjection;
import dev.hardwood.schema.ColumnSchema;
import dev.hardwood.schema.FileSchema;
import io.ruvector.lake.BackendAdapter;
import io.ruvector.lake.Generation;
import io.ruvector.lake.VectorSink;
import io.ruvector.lake.backend.RowBatches;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The Parquet files of a folder as collections: {@code words.parquet} is the collection {@code
 * words}. A file has a column of int64 ids and one of vectors, neither with nulls. Vectors are
 *
 * <ul>
 *   <li>fast: {@code FIXED_LEN_BYTE_ARRAY} of 4 bytes for each component, little-endian floats;
 *   <li>compatible: a list of floats, of equal lengths.
 * </ul>
 *
 * <p>The generation is made of device, inode, size, modification and change time, and within two
 * seconds of a change of a hash of the content too. A file that was pulled within these two seconds
 * may be pulled once more after them. Outside of POSIX systems no change time is known, so that
 * whoever sets the modification time back hides a change.
 *
 * <p>A file should be replaced by a rename. One that changes while it is pulled gets no generation,
 * so that the lake pulls again, or is refused for what was read of it.
 *
 * <p>Safe for use from many threads. Nothing to close.
 */
public final class ParquetBackend implements BackendAdapter {
  private static final String SUFFIX = ".parquet";
  private static final String VECTOR_TYPES = "fixed_len_byte_array(4 * dim) or list of float";
  private static final int MAX_DIM = 8_192;
  private static final ValueLayout.OfFloat LITTLE_ENDIAN =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final String id;
  private final Path folder;
  private final String idColumn;
  private final String vectorColumn;
  private final Clock clock;

  private ParquetBackend(Builder builder) {
    id = builder.id;
    folder = builder.folder;
    idColumn = builder.idColumn;
    vectorColumn = builder.vectorColumn;
    clock = builder.clock;
  }

  /**
   * Begins a backend.
   *
   * @param id the name that the lake knows it by
   * @param folder the folder of the files; those in folders below are not looked at
   */
  public static Builder builder(String id, Path folder) {
    return new Builder(id, folder);
  }

  /** What {@link ParquetBackend#builder} begins. */
  public static final class Builder {
    private final String id;
    private final Path folder;
    private String idColumn = "id";
    private String vectorColumn = "vector";
    private Clock clock = Clock.systemUTC();

    private Builder(String id, Path folder) {
      this.id = Objects.requireNonNull(id, "id");
      this.folder = Objects.requireNonNull(folder, "folder");
      if (id.isEmpty()) {
        throw new IllegalArgumentException("id is empty");
      }
    }

    /** The column of the ids: {@code id} unless said. */
    public Builder idColumn(String column) {
      idColumn = Objects.requireNonNull(column, "column");
      return this;
    }

    /** The column of the vectors: {@code vector} unless said. */
    public Builder vectorColumn(String column) {
      vectorColumn = Objects.requireNonNull(column, "column");
      return this;
    }

    /** For tests. */
    Builder clock(Clock clock) {
      this.clock = clock;
      return this;
    }

    /** The backend. */
    public ParquetBackend build() {
      return new ParquetBackend(this);
    }
  }

  @Override
  public String id() {
    return id;
  }

  @Override
  public List<String> collections() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(Files::isRegularFile)
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(SUFFIX) && name.length() > SUFFIX.length())
          .map(name -> name.substring(0, name.length() - SUFFIX.length()))
          .sorted()
          .toList();
    }
  }

  @Override
  public Generation generation(String collection) throws IOException {
    return FileState.generation(file(collection), clock);
  }

  @Override
  public void pull(String collection, VectorSink sink) throws IOException, InterruptedException {
    Path file = file(collection);
    FileState before = FileState.of(file, clock);
    String hash = before.hashIfRacy(file);
    try {
      read(file, sink);
    } catch (IOException e) {
      if (before.stillThere(hash, file, clock) == null) {
        throw new IOException("%s changed while it was read".formatted(file), e);
      }
      throw e;
    }
    Generation generation = before.stillThere(hash, file, clock);
    if (generation != null) {
      sink.snapshot(generation);
    }
  }

  private void read(Path file, VectorSink sink) throws IOException, InterruptedException {
    try (OpenFile open = new OpenFile(file);
        ParquetFileReader reader = open(file, open)) {
      FileSchema schema = reader.getFileSchema();
      ColumnSchema ids = leaf(file, schema, idColumn, "int64");
      if (ids.type() != PhysicalType.INT64 || ids.maxRepetitionLevel() > 0) {
        throw wrongType(file, ids, "int64");
      }
      ColumnSchema vectors = leaf(file, schema, vectorColumn, VECTOR_TYPES);
      long rows = reader.getFileMetaData().numRows();
      try (ColumnReaders columns =
          reader
              .buildColumnReaders(
                  ColumnProjection.columns(
                      ids.fieldPath().toString(), vectors.fieldPath().toString()))
              .build()) {
        ColumnReader idReader = reader(columns, ids);
        ColumnReader vectorReader = reader(columns, vectors);
        try (Rows into = rows(file, vectors, sink, rows)) {
          while (rows > 0 && next(file, columns)) {
            into.add(idReader, vectorReader, columns.getRecordCount());
          }
          into.finish();
        }
      }
    }
  }

  /** Apart from what the sink throws: the reader meets bad bytes with any exception. */
  private static boolean next(Path file, ColumnReaders columns) throws IOException {
    try {
      return columns.nextBatch();
    } catch (RuntimeException e) {
      throw unreadable(file, e);
    }
  }

  private static ParquetFileReader open(Path file, OpenFile open) throws IOException {
    try {
      return ParquetFileReader.open(open);
    } catch (IOException | RuntimeException e) {
      throw unreadable(file, e);
    }
  }

  private static IOException unreadable(Path file, Exception e) {
    return new IOException("%s cannot be read: %s".formatted(file, e.getMessage()), e);
  }

  private static Rows rows(Path file, ColumnSchema column, VectorSink sink, long rows)
      throws IOException {
    Integer length = column.typeLength();
    if (column.type() == PhysicalType.FIXED_LEN_BYTE_ARRAY
        && column.maxRepetitionLevel() == 0
        && length != null
        && length % Float.BYTES == 0) {
      return new FixedRows(file, sink, rows, length / Float.BYTES);
    }
    if (column.type() == PhysicalType.FLOAT && column.maxRepetitionLevel() == 1) {
      return new ListRows(file, sink, rows);
    }
    throw wrongType(file, column, VECTOR_TYPES);
  }

  private static ColumnReader reader(ColumnReaders columns, ColumnSchema column) {
    for (int i = 0; i < columns.getColumnCount(); i++) {
      ColumnReader reader = columns.getColumnReader(i);
      if (reader.getColumnSchema().columnIndex() == column.columnIndex()) {
        return reader;
      }
    }
    throw new IllegalStateException("no reader of " + column.fieldPath());
  }

  /** The only leaf of a top-level column. */
  private static ColumnSchema leaf(Path file, FileSchema schema, String name, String expected)
      throws IOException {
    List<ColumnSchema> leaves =
        schema.getColumns().stream()
            .filter(column -> column.fieldPath().topLevelName().equals(name))
            .toList();
    if (leaves.isEmpty()) {
      throw new IOException(
          "%s has no column %s, but: %s"
              .formatted(
                  file,
                  name,
                  schema.getColumns().stream()
                      .map(column -> column.fieldPath().topLevelName())
                      .distinct()
                      .toList()));
    }
    if (leaves.size() > 1) {
      throw new IOException(
          "%s: column %s is a group of %d columns, expected: %s"
              .formatted(file, name, leaves.size(), expected));
    }
    return leaves.getFirst();
  }

  private static IOException wrongType(Path file, ColumnSchema column, String expected) {
    return new IOException(
        "%s: column %s is %s%s%s, expected: %s"
            .formatted(
                file,
                column.fieldPath().topLevelName(),
                "list of ".repeat(column.maxRepetitionLevel()),
                column.type().name().toLowerCase(Locale.ROOT),
                column.typeLength() == null ? "" : "(" + column.typeLength() + ")",
                expected));
  }

  private Path file(String collection) throws IOException {
    Objects.requireNonNull(collection, "collection");
    Path name = Path.of(collection + SUFFIX);
    if (collection.isEmpty() || name.getNameCount() != 1 || name.isAbsolute()) {
      throw new IllegalArgumentException(
          "collection is \"%s\", expected: a file's name without %s".formatted(collection, SUFFIX));
    }
    Path file = folder.resolve(name);
    if (!Files.isRegularFile(file)) {
      throw new NoSuchFileException(
          file.toString(), null, "no collection %s in backend %s".formatted(collection, id));
    }
    // One name for the whole call: a link may be switched meanwhile.
    return file.toRealPath();
  }

  /** Moves batches of two columns into a sink. */
  private abstract static class Rows implements AutoCloseable {
    final Path file;
    final VectorSink sink;
    final long rows;
    private @Nullable RowBatches batches;
    private int dim;

    Rows(Path file, VectorSink sink, long rows) {
      this.file = file;
      this.sink = sink;
      this.rows = rows;
    }

    final RowBatches begin(int dim) throws IOException {
      if (dim < 1 || dim > MAX_DIM) {
        throw new IOException(
            "%s: vectors of %d components, allowed: 1 to %,d".formatted(file, dim, MAX_DIM));
      }
      sink.expect(rows, dim);
      this.dim = dim;
      batches = new RowBatches(sink, dim);
      return batches;
    }

    final @Nullable RowBatches batches() {
      return batches;
    }

    final int dim() {
      return dim;
    }

    void add(ColumnReader ids, ColumnReader vectors, int count)
        throws IOException, InterruptedException {
      if (ids.getLeafValidity().hasNulls()) {
        throw new IOException("%s: an id is null".formatted(file));
      }
      long[] values = ids.getLongs();
      for (int row = 0; row < count; row++) {
        RowBatches batches = write(vectors, row, values[row]);
        int bad = batches.firstNotFinite();
        if (bad >= 0) {
          float value = batches.rows().get(ValueLayout.JAVA_FLOAT, batches.offset() + 4L * bad);
          throw invalid(
              values[row], "component %d is %s, expected: a finite number".formatted(bad, value));
        }
        batches.add(values[row]);
      }
    }

    /** Writes one row at the end of the batches. */
    abstract RowBatches write(ColumnReader vectors, int row, long id) throws IOException;

    void finish() throws IOException, InterruptedException {
      if (batches == null) {
        throw new IOException("%s has no rows, and nothing says its dimension".formatted(file));
      }
      batches.flush();
    }

    final IOException invalid(long id, String what) {
      return new IOException("%s, id %d: %s".formatted(file, id, what));
    }

    @Override
    public void close() {
      if (batches != null) {
        batches.close();
      }
    }
  }

  private static final class FixedRows extends Rows {
    private final RowBatches batches;
    private byte[] bytes = {};
    private int[] offsets = {};
    private boolean nulls;

    FixedRows(Path file, VectorSink sink, long rows, int dim) throws IOException {
      super(file, sink, rows);
      batches = begin(dim);
    }

    @Override
    void add(ColumnReader ids, ColumnReader vectors, int count)
        throws IOException, InterruptedException {
      bytes = vectors.getBinaryValues();
      offsets = vectors.getBinaryOffsets();
      nulls = vectors.getLeafValidity().hasNulls();
      super.add(ids, vectors, count);
    }

    @Override
    RowBatches write(ColumnReader vectors, int row, long id) throws IOException {
      if (nulls && vectors.getLeafValidity().isNull(row)) {
        throw invalid(id, "its vector is null");
      }
      MemorySegment.copy(
          MemorySegment.ofArray(bytes),
          LITTLE_ENDIAN,
          offsets[row],
          batches.rows(),
          ValueLayout.JAVA_FLOAT,
          batches.offset(),
          dim());
      return batches;
    }
  }

  private static final class ListRows extends Rows {
    private float[] floats = {};
    private int[] offsets = {};
    private boolean nullLists;
    private boolean nullFloats;

    ListRows(Path file, VectorSink sink, long rows) {
      super(file, sink, rows);
    }

    @Override
    void add(ColumnReader ids, ColumnReader vectors, int count)
        throws IOException, InterruptedException {
      floats = vectors.getFloats();
      offsets = vectors.getLayerOffsets(0);
      nullLists = vectors.getLayerValidity(0).hasNulls();
      nullFloats = vectors.getLeafValidity().hasNulls();
      super.add(ids, vectors, count);
    }

    @Override
    RowBatches write(ColumnReader vectors, int row, long id) throws IOException {
      if (nullLists && vectors.getLayerValidity(0).isNull(row)) {
        throw invalid(id, "its vector is null");
      }
      int first = offsets[row];
      int length = offsets[row + 1] - first;
      RowBatches batches = batches();
      if (batches == null) {
        batches = begin(length);
      } else if (length != dim()) {
        throw invalid(id, "%d components, expected: %d".formatted(length, dim()));
      }
      for (int i = 0; nullFloats && i < length; i++) {
        if (vectors.getLeafValidity().isNull(first + i)) {
          throw invalid(id, "component %d is null".formatted(i));
        }
      }
      MemorySegment.copy(
          floats, first, batches.rows(), ValueLayout.JAVA_FLOAT, batches.offset(), length);
      return batches;
    }
  }
}
