package io.ruvector.lake.postgres;

import io.ruvector.lake.BackendAdapter;
import io.ruvector.lake.ChangeSink;
import io.ruvector.lake.Generation;
import io.ruvector.lake.VectorSink;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyOut;

/**
 * Tables of PostgreSQL 14 or newer as collections: an integer column of ids and a column of {@code
 * real[]} or pgvector's {@code vector}.
 *
 * <p>A pull is one binary COPY in one {@code REPEATABLE READ, READ ONLY} transaction that also
 * reads the generation, so that the rows are exactly those of that generation. It holds {@code
 * ACCESS SHARE} on the table, as any SELECT does.
 *
 * <p>The generation is counted by a trigger, which {@link #install} makes once for each table.
 * {@link #generation} fails, rather than answer wrongly, where the trigger is missing or disabled.
 * With {@link #installLog} triggers also note the ids of the rows that change, and the lake takes
 * in these rows alone.
 *
 * <p>Safe for use from many threads; each call takes a connection of its own, which must unwrap to
 * pgjdbc's, and gives it back as it was, but aborted where a pull ended early. Nothing to close.
 */
public final class PostgresBackend implements BackendAdapter {
  private static final String COUNTERS = "ruvector_generation";
  private static final String UNDEFINED_TABLE = "42P01";
  private static final String TRIGGER = "ruvector_generation";
  private static final String LOGS = "ruvector_log";
  private static final String CHANGES = "ruvector_changes";

  /**
   * What the triggers of the log have in common; after {@link #TRIGGER} in the alphabet, so that
   * they run after it and find its number.
   */
  private static final String LOG_TRIGGER = "ruvector_log_";

  /** The rows that each kind of statement shows to its trigger. */
  private static final Map<String, String> LOG_TRIGGERS =
      Map.of(
          "insert", "REFERENCING NEW TABLE AS ruvector_new",
          "update", "REFERENCING OLD TABLE AS ruvector_old NEW TABLE AS ruvector_new",
          "delete", "REFERENCING OLD TABLE AS ruvector_old",
          "truncate", "");

  private record Table(String name, String id, String vector, int dim) {}

  /** What the catalog knows of a table. */
  private record Shape(CopyRows.Wire wire, int dim, long rows) {}

  private final String id;
  private final DataSource source;
  private final String schema;
  private final Map<String, Table> tables;

  private PostgresBackend(Builder builder) {
    id = builder.id;
    source = builder.source;
    schema = builder.schema;
    tables = new LinkedHashMap<>(builder.tables);
  }

  /**
   * Begins a backend.
   *
   * @param id the name that the lake knows it by
   * @param source gives connections of pgjdbc, pooled or not
   */
  public static Builder builder(String id, DataSource source) {
    return new Builder(id, source);
  }

  /** What {@link PostgresBackend#builder} begins. */
  public static final class Builder {
    private final String id;
    private final DataSource source;
    private final Map<String, Table> tables = new LinkedHashMap<>();
    private String schema = "public";

    private Builder(String id, DataSource source) {
      this.id = Objects.requireNonNull(id, "id");
      this.source = Objects.requireNonNull(source, "source");
      if (id.isEmpty()) {
        throw new IllegalArgumentException("id is empty");
      }
    }

    /** The schema that the tables lie in: {@code public} unless said. */
    public Builder schema(String schema) {
      this.schema = Objects.requireNonNull(schema, "schema");
      return this;
    }

    /** Registers a table as the collection of its name; the first row says the dimension. */
    public Builder table(String table, String idColumn, String vectorColumn) {
      return collection(table, table, idColumn, vectorColumn, 0);
    }

    /**
     * Registers a table. Names are taken as they are: {@code Words} is not {@code words}.
     *
     * @param collection the lake's name for it
     * @param table its name in the schema
     * @param idColumn a column of smallint, integer or bigint, unique and never NULL
     * @param vectorColumn a column of {@code real[]} or {@code vector}, never NULL
     * @param dim how many components each vector has, or 0 if the column's type or the first row
     *     says it, which leaves an empty table of {@code real[]} without an answer
     * @throws IllegalArgumentException if the collection is there already, or {@code dim} is out of
     *     range
     */
    public Builder collection(
        String collection, String table, String idColumn, String vectorColumn, int dim) {
      Objects.requireNonNull(collection, "collection");
      if (dim < 0 || dim > 8_192) {
        throw new IllegalArgumentException("dim is %d, allowed: 0 to 8,192".formatted(dim));
      }
      quoted(table);
      quoted(idColumn);
      quoted(vectorColumn);
      if (tables.putIfAbsent(collection, new Table(table, idColumn, vectorColumn, dim)) != null) {
        throw new IllegalArgumentException(
            "collection %s is registered twice".formatted(collection));
      }
      return this;
    }

    /** The backend. */
    public PostgresBackend build() {
      return new PostgresBackend(this);
    }
  }

  /**
   * Makes the counter of a table and the trigger that counts, or makes them anew: the generation
   * then is another one. In one transaction, which is the caller's if autocommit is off. Needs the
   * rights to create tables and functions in the schema, and a trigger on the table; whoever reads
   * needs {@code SELECT} on the table and on {@code ruvector_generation}; whoever writes needs
   * nothing more than before.
   *
   * <p>The price: the counter's row stays locked from a statement that writes until its transaction
   * ends. So writers of one table go one after the other; under REPEATABLE READ or SERIALIZABLE the
   * second one fails with SQLSTATE 40001, to be tried again; and those that write several tables
   * should do so in one order. Readers wait for nobody.
   *
   * <p>Not counted, so that install must be called again afterwards: what is done while the trigger
   * is disabled; {@code ALTER TABLE} that rewrites a column; what logical replication applies on a
   * subscriber; what comes through a parent that the table is given later. Partitioned tables and
   * their partitions, views and foreign tables are refused.
   *
   * @param connection a connection to the database
   * @param schema the table's schema
   * @param table the table
   * @throws SQLException if it cannot be done
   */
  public static void install(Connection connection, String schema, String table)
      throws SQLException {
    inTransaction(connection, statement -> install(statement, schema, table));
  }

  /**
   * As {@link #install}, and has the ids of changed rows noted as well: {@link #changesSince} then
   * tells what changed as far back as that is noted.
   *
   * <p>The price, on top: each statement also writes as many rows of 24 bytes as it changes, but
   * one that changes more than {@code keep} rows, or has an id that is NULL, which cuts the log, as
   * {@code TRUNCATE} does. Whoever reads needs {@code SELECT} on {@code ruvector_log} and {@code
   * ruvector_changes} too. The id column may change its name.
   *
   * @param connection a connection to the database
   * @param schema the table's schema
   * @param table the table
   * @param idColumn the column of the ids
   * @param keep how many changed rows are kept noted, up to twice as many for a while
   * @throws IllegalArgumentException if {@code keep} is not positive
   * @throws SQLException if it cannot be done
   */
  public static void installLog(
      Connection connection, String schema, String table, String idColumn, int keep)
      throws SQLException {
    if (keep < 1) {
      throw new IllegalArgumentException("keep is %d, allowed: at least 1".formatted(keep));
    }
    inTransaction(
        connection,
        statement -> {
          install(statement, schema, table);
          installLog(statement, schema, table, idColumn, keep);
        });
  }

  /** What is done in one transaction. */
  @FunctionalInterface
  private interface Work {
    void run(Statement statement) throws SQLException;
  }

  private static void inTransaction(Connection connection, Work work) throws SQLException {
    boolean auto = connection.getAutoCommit();
    connection.setAutoCommit(false);
    try (Statement statement = connection.createStatement()) {
      work.run(statement);
      if (auto) {
        connection.commit();
      }
    } catch (SQLException | RuntimeException e) {
      if (auto) {
        connection.rollback();
      }
      throw e;
    } finally {
      connection.setAutoCommit(auto);
    }
  }

  private static void install(Statement statement, String schema, String table)
      throws SQLException {
    String kind =
        text(
            statement.getConnection(),
            """
            SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid)
              THEN 'child' ELSE relkind::pg_catalog.text END
            FROM pg_catalog.pg_class c WHERE oid = pg_catalog.to_regclass(?)
            """,
            qualified(schema, table));
    if (!"r".equals(kind)) {
      throw new SQLException(
          "%s is %s, expected: an ordinary table"
              .formatted(
                  qualified(schema, table),
                  kind == null
                      ? "not there"
                      : kind.equals("child")
                          ? "a partition or child of another table"
                          : "a relation of kind '" + kind + "'"),
          "42809");
    }
    String counters = qualified(schema, COUNTERS);
    String function = qualified(schema, "ruvector_count_generation");
    // Two installs at once: IF NOT EXISTS alone lets one fail.
    statement.execute(
        "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('ruvector_generation'))");
    statement.execute(
        "CREATE TABLE IF NOT EXISTS %s (relation oid PRIMARY KEY, generation bigint NOT NULL)"
            .formatted(counters));
    // By the table's oid, which follows it when tables change names. The clock keeps a number
    // from coming again where the counter was lost: a restore, a failover, a deleted row.
    String count =
        """
        INSERT INTO %s AS c
        VALUES (%s, (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8)
        ON CONFLICT (relation) DO UPDATE
        SET generation = greatest(c.generation + 1, excluded.generation)
        """;
    statement.execute(
        """
        CREATE OR REPLACE FUNCTION %s() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $ruvector$
        BEGIN
          %s;
          RETURN NULL;
        END
        $ruvector$
        """
            .formatted(function, count.formatted(counters, "TG_RELID")));
    statement.execute(
        """
        CREATE OR REPLACE TRIGGER %s AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION %s()
        """
            .formatted(quoted(TRIGGER), qualified(schema, table), function));
    // Also where session_replication_role is replica.
    statement.execute(
        "ALTER TABLE %s ENABLE ALWAYS TRIGGER %s"
            .formatted(qualified(schema, table), quoted(TRIGGER)));
    // After the lock that the trigger took: whoever wrote before has ended.
    statement.execute(
        count.formatted(
            counters, "%s::pg_catalog.regclass".formatted(literal(qualified(schema, table)))));
  }

  private static void installLog(
      Statement statement, String schema, String table, String idColumn, int keep)
      throws SQLException {
    String name = qualified(schema, table);
    String oid = "%s::pg_catalog.regclass".formatted(literal(name));
    String number =
        text(
            statement.getConnection(),
            """
            SELECT attnum FROM pg_catalog.pg_attribute
            WHERE attrelid = %s AND attname = ? AND NOT attisdropped
            """
                .formatted(oid),
            idColumn);
    if (number == null) {
      throw noColumn(name, idColumn);
    }
    String counters = qualified(schema, COUNTERS);
    String logs = qualified(schema, LOGS);
    String changes = qualified(schema, CHANGES);
    String function = qualified(schema, "ruvector_log_changes");
    // What is later than `floor` is noted; what is not later than `middle` is the older half.
    statement.execute(
        """
        CREATE TABLE IF NOT EXISTS %s (relation oid PRIMARY KEY, id_column int2 NOT NULL,
          keep int8 NOT NULL, floor int8 NOT NULL, middle int8 NOT NULL, noted int8 NOT NULL)
        """
            .formatted(logs));
    statement.execute(
        "CREATE TABLE IF NOT EXISTS %s (relation oid NOT NULL, generation int8 NOT NULL, id int8)"
            .formatted(changes));
    statement.execute(
        "CREATE INDEX IF NOT EXISTS ruvector_changes_generation ON %s (relation, generation)"
            .formatted(changes));
    // Of each statement a row without an id is noted too: a generation that is not there is one of
    // another history, as that before a restore.
    statement.execute(
        """
        CREATE OR REPLACE FUNCTION %1$s() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $ruvector$
        DECLARE
          log %2$s;
          now int8;
          id_name name;
          ids text := CASE TG_OP
            WHEN 'INSERT' THEN 'SELECT %%1$I::int8 AS id FROM ruvector_new'
            WHEN 'DELETE' THEN 'SELECT %%1$I::int8 AS id FROM ruvector_old'
            WHEN 'UPDATE' THEN 'SELECT %%1$I::int8 AS id FROM ruvector_old
                                UNION SELECT %%1$I::int8 FROM ruvector_new' END;
          changed int8;
          named int8;
        BEGIN
          SELECT generation INTO now FROM %3$s WHERE relation = TG_RELID;
          SELECT * INTO log FROM %2$s WHERE relation = TG_RELID;
          IF now IS NULL OR log IS NULL THEN
            RETURN NULL;
          END IF;
          SELECT attname INTO id_name FROM pg_attribute
          WHERE attrelid = TG_RELID AND attnum = log.id_column AND NOT attisdropped;
          IF id_name IS NOT NULL AND ids IS NOT NULL THEN
            ids := format(ids, id_name);
            EXECUTE format('SELECT count(*), count(id) FROM (%%s) s', ids) INTO changed, named;
          END IF;
          IF changed IS NULL OR changed > log.keep OR named < changed THEN
            DELETE FROM %4$s WHERE relation = TG_RELID;
            UPDATE %2$s SET floor = now, middle = now, noted = 0 WHERE relation = TG_RELID;
            RETURN NULL;
          END IF;
          EXECUTE format('INSERT INTO %%s SELECT $1, $2, id FROM (%%s) s
                          UNION ALL SELECT $1, $2, NULL', %5$s, ids) USING TG_RELID, now;
          IF log.noted + changed < log.keep THEN
            UPDATE %2$s SET noted = noted + changed + 1 WHERE relation = TG_RELID;
          ELSE
            DELETE FROM %4$s WHERE relation = TG_RELID AND generation <= log.middle;
            UPDATE %2$s SET floor = middle, middle = now, noted = 0 WHERE relation = TG_RELID;
          END IF;
          RETURN NULL;
        END
        $ruvector$
        """
            .formatted(function, logs, counters, changes, literal(changes)));
    for (Map.Entry<String, String> trigger : LOG_TRIGGERS.entrySet()) {
      String triggerName = quoted(LOG_TRIGGER + trigger.getKey());
      statement.execute(
          """
          CREATE OR REPLACE TRIGGER %s AFTER %s ON %s %s
          FOR EACH STATEMENT EXECUTE FUNCTION %s()
          """
              .formatted(triggerName, trigger.getKey(), name, trigger.getValue(), function));
      statement.execute("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s".formatted(name, triggerName));
    }
    statement.execute("DELETE FROM %s WHERE relation = %s".formatted(changes, oid));
    statement.execute(
        """
        INSERT INTO %s AS l
        SELECT relation, %s, %d, generation, generation, 0 FROM %s WHERE relation = %s
        ON CONFLICT (relation) DO UPDATE SET (id_column, keep, floor, middle, noted) =
          (excluded.id_column, excluded.keep, excluded.floor, excluded.middle, 0)
        """
            .formatted(logs, number, keep, counters, oid));
  }

  @Override
  public String id() {
    return id;
  }

  @Override
  public List<String> collections() throws SQLException {
    List<String> there = new ArrayList<>();
    try (Connection connection = source.getConnection()) {
      for (Map.Entry<String, Table> entry : tables.entrySet()) {
        String name = qualified(schema, entry.getValue().name());
        if (text(connection, "SELECT pg_catalog.to_regclass(?)", name) != null) {
          there.add(entry.getKey());
        }
      }
    }
    return there;
  }

  @Override
  public Generation generation(String collection) throws SQLException {
    Table table = table(collection);
    try (Connection connection = source.getConnection()) {
      return generation(connection, table);
    }
  }

  @Override
  public void pull(String collection, VectorSink sink) throws SQLException, InterruptedException {
    Table table = table(collection);
    inSnapshot(table, (connection, generation) -> pull(connection, table, generation, sink));
  }

  /**
   * Pushes what changed, as far as {@link #installLog} has it noted.
   *
   * @return false where it has not: nothing is noted, not so far back, or of another history
   */
  @Override
  public boolean changesSince(String collection, Generation since, ChangeSink sink)
      throws SQLException, InterruptedException {
    Table table = table(collection);
    return inSnapshot(
        table, (connection, generation) -> changes(connection, table, since, generation, sink));
  }

  /** What is done with one state of a table. */
  @FunctionalInterface
  private interface Reading {
    boolean run(Connection connection, Generation generation)
        throws SQLException, InterruptedException;
  }

  private boolean inSnapshot(Table table, Reading reading)
      throws SQLException, InterruptedException {
    try (Connection connection = source.getConnection()) {
      boolean auto = connection.getAutoCommit();
      boolean readOnly = connection.isReadOnly();
      int isolation = connection.getTransactionIsolation();
      connection.setReadOnly(true);
      connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      connection.setAutoCommit(false);
      try {
        try (Statement statement = connection.createStatement()) {
          // Before the snapshot, which LOCK does not take: TRUNCATE, a rewrite or a change of names
          // after it would show through, for none of them heeds snapshots.
          statement.execute(
              "LOCK TABLE ONLY %s IN ACCESS SHARE MODE".formatted(qualified(schema, table.name())));
        }
        return reading.run(connection, generation(connection, table));
      } finally {
        if (!connection.isClosed()) {
          connection.rollback();
          connection.setAutoCommit(auto);
          connection.setTransactionIsolation(isolation);
          connection.setReadOnly(readOnly);
        }
      }
    }
  }

  private boolean pull(Connection connection, Table table, Generation generation, VectorSink sink)
      throws SQLException, InterruptedException {
    String name = qualified(schema, table.name());
    Shape shape = shape(connection, table);
    String select =
        "SELECT %s::pg_catalog.int8, %s FROM ONLY %s"
            .formatted(quoted(table.id()), quoted(table.vector()), name);
    if (!copy(connection, name, shape, select, sink)) {
      if (shape.dim() == 0) {
        throw new SQLException(
            "%s is empty, and nothing says its dimension: give it to the builder".formatted(name),
            "02000");
      }
      sink.expect(0, shape.dim());
    }
    sink.snapshot(generation);
    return true;
  }

  /** Pushes the rows of a query; whether there were any. */
  private static boolean copy(
      Connection connection, String name, Shape shape, String select, VectorSink sink)
      throws SQLException, InterruptedException {
    CopyOut out =
        connection
            .unwrap(PGConnection.class)
            .getCopyAPI()
            .copyOut("COPY (%s) TO STDOUT (FORMAT binary)".formatted(select));
    try (CopyRows decoder = new CopyRows(name, shape.wire(), shape.dim(), shape.rows(), sink)) {
      for (byte[] piece = out.readFromCopy(); piece != null; piece = out.readFromCopy()) {
        decoder.accept(piece);
      }
      return decoder.finish();
    } finally {
      if (out.isActive()) {
        // To read on may take minutes, and a cancel that comes late hits the next statement of
        // the connection: better without it.
        connection.abort(Runnable::run);
      }
    }
  }

  private boolean changes(
      Connection connection, Table table, Generation since, Generation now, ChangeSink sink)
      throws SQLException, InterruptedException {
    long from = counter(since, now);
    if (from < 0 || !isNoted(connection, table, from)) {
      return false;
    }
    String name = qualified(schema, table.name());
    String id = quoted(table.id());
    // COPY has no parameters; these are numbers.
    String changed =
        "(SELECT DISTINCT id FROM %s WHERE relation = %s AND generation > %d AND id IS NOT NULL) c"
            .formatted(qualified(schema, CHANGES), oid(now), from);
    String joined = "ONLY %s t ON t.%s OPERATOR(pg_catalog.=) c.id".formatted(name, id);
    String there =
        "SELECT c.id, t.%s FROM %s JOIN %s".formatted(quoted(table.vector()), changed, joined);
    String gone =
        "SELECT c.id FROM %s LEFT JOIN %s WHERE t.%s IS NULL".formatted(changed, joined, id);
    copy(connection, name, shape(connection, table), there, sink);
    LongStream.Builder removed = LongStream.builder();
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(gone)) {
      while (row.next()) {
        removed.add(row.getLong(1));
      }
    }
    sink.remove(removed.build().toArray());
    sink.snapshot(now);
    return true;
  }

  /** Whether all that changed after a generation is noted, which is one of this history. */
  private boolean isNoted(Connection connection, Table table, long generation) throws SQLException {
    String logs = qualified(schema, LOGS);
    if (text(connection, "SELECT pg_catalog.to_regclass(?)", logs) == null) {
      return false;
    }
    String sql =
        """
        SELECT 1 FROM %1$s l
        WHERE relation = pg_catalog.to_regclass(?)
        AND (floor = %3$d OR floor < %3$d AND EXISTS (
          SELECT FROM %2$s c WHERE c.relation = l.relation AND c.generation = %3$d))
        AND id_column = (SELECT attnum FROM pg_catalog.pg_attribute
          WHERE attrelid = l.relation AND attname = %4$s)
        AND %5$d = (SELECT count(*) FROM pg_catalog.pg_trigger
          WHERE tgrelid = l.relation AND tgenabled = 'A' AND tgname IN (%6$s))
        """
            .formatted(
                logs,
                qualified(schema, CHANGES),
                generation,
                literal(table.id()),
                LOG_TRIGGERS.size(),
                LOG_TRIGGERS.keySet().stream()
                    .map(event -> literal(LOG_TRIGGER + event))
                    .collect(Collectors.joining(", ")));
    return text(connection, sql, qualified(schema, table.name())) != null;
  }

  /** The counter of a generation of the table that another one is of, or -1. */
  private static long counter(Generation generation, Generation now) {
    String prefix = oid(now) + ":";
    if (!(generation instanceof Generation.Text(String text)) || !text.startsWith(prefix)) {
      return -1;
    }
    try {
      return Long.parseLong(text.substring(prefix.length()));
    } catch (NumberFormatException e) {
      return -1;
    }
  }

  private static String oid(Generation generation) {
    String text = generation.toString();
    return text.substring(0, text.indexOf(':'));
  }

  private Generation generation(Connection connection, Table table) throws SQLException {
    String name = qualified(schema, table.name());
    String sql =
        """
        SELECT t.oid, c.generation
        FROM pg_catalog.pg_class t
        LEFT JOIN (%s c JOIN pg_catalog.pg_trigger g
          ON g.tgrelid = c.relation AND g.tgname = '%s' AND g.tgenabled = 'A')
          ON c.relation = t.oid
        WHERE t.oid = pg_catalog.to_regclass(?)
        """
            .formatted(qualified(schema, COUNTERS), TRIGGER);
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, name);
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          throw new SQLException("there is no table %s".formatted(name), "42704");
        }
        long counter = row.getLong(2);
        if (row.wasNull()) {
          throw notCounted(name, null);
        }
        return Generation.of(row.getLong(1) + ":" + counter);
      }
    } catch (SQLException e) {
      // The counters are the only table that the query must find.
      throw UNDEFINED_TABLE.equals(e.getSQLState()) ? notCounted(name, e) : e;
    }
  }

  private static SQLException notCounted(String table, @Nullable SQLException cause) {
    return new SQLException(
        "nothing counts the generation of %s: call PostgresBackend.install".formatted(table),
        "55000",
        cause);
  }

  private Shape shape(Connection connection, Table table) throws SQLException {
    String name = qualified(schema, table.name());
    String sql =
        """
        SELECT a.attname, t.typname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypmod,
          greatest(c.reltuples, 0)::pg_catalog.int8
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE c.oid = pg_catalog.to_regclass(?) AND a.attname = ? AND NOT a.attisdropped
        """;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, name);
      statement.setString(2, table.id());
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          throw noColumn(name, table.id());
        }
        if (!List.of("int2", "int4", "int8").contains(row.getString(2))) {
          throw wrongType(name, table.id(), row, "smallint, integer or bigint");
        }
      }
      statement.setString(2, table.vector());
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          throw noColumn(name, table.vector());
        }
        long rows = row.getLong(5);
        if (row.getString(2).equals("_float4")) {
          return new Shape(CopyRows.Wire.ARRAY, table.dim(), rows);
        }
        if (!row.getString(2).equals("vector")) {
          throw wrongType(name, table.vector(), row, "real[] or vector");
        }
        int declared = Math.max(row.getInt(4), 0);
        return new Shape(CopyRows.Wire.PGVECTOR, table.dim() == 0 ? declared : table.dim(), rows);
      }
    }
  }

  private static SQLException noColumn(String table, String column) {
    return new SQLException("%s has no column %s".formatted(table, quoted(column)), "42703");
  }

  private static SQLException wrongType(String table, String column, ResultSet row, String expected)
      throws SQLException {
    return new SQLException(
        "%s: column %s is of type %s, expected: %s"
            .formatted(table, quoted(column), row.getString(3), expected),
        "42804");
  }

  private Table table(String collection) {
    Table table = tables.get(Objects.requireNonNull(collection, "collection"));
    if (table == null) {
      throw new IllegalArgumentException(
          "backend %s has no collection %s, registered: %s"
              .formatted(id, collection, tables.keySet()));
    }
    return table;
  }

  private static @Nullable String text(Connection connection, String sql, String argument)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, argument);
      try (ResultSet row = statement.executeQuery()) {
        return row.next() ? row.getString(1) : null;
      }
    }
  }

  private static String qualified(String schema, String name) {
    return quoted(schema) + "." + quoted(name);
  }

  /** An identifier of any characters but NUL, as SQL has it. */
  private static String quoted(String name) {
    Objects.requireNonNull(name, "name");
    if (name.isEmpty() || name.indexOf('\0') >= 0) {
      throw new IllegalArgumentException("not a name in SQL: \"%s\"".formatted(name));
    }
    return '"' + name.replace("\"", "\"\"") + '"';
  }

  private static String literal(String text) {
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'";
  }
}
