package io.ruvector.lake.postgres;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.lake.Generation;
import io.ruvector.lake.testing.RecordingSink;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class PostgresBackendTest {
  private static final float[] EDGES = {
    0f,
    -0f,
    Float.MIN_VALUE,
    -Float.MIN_VALUE,
    Float.MIN_NORMAL,
    Math.nextDown(Float.MIN_NORMAL),
    Float.MAX_VALUE,
    -Float.MAX_VALUE,
    1f,
    -1f
  };

  private static EmbeddedPostgres server;

  @BeforeAll
  static void start() throws Exception {
    // As root, it runs the server in a user namespace: PostgreSQL refuses root.
    server = EmbeddedPostgres.builder().setServerConfig("fsync", "off").start();
  }

  @AfterAll
  static void stop() throws Exception {
    server.close();
  }

  @BeforeEach
  void empty() throws SQLException {
    sql("DROP SCHEMA public CASCADE", "CREATE SCHEMA public");
  }

  private static void sql(String... statements) throws SQLException {
    try (Connection connection = server.getPostgresDatabase().getConnection();
        Statement statement = connection.createStatement()) {
      for (String each : statements) {
        statement.execute(each);
      }
    }
  }

  private static void install(String table) throws SQLException {
    try (Connection connection = server.getPostgresDatabase().getConnection()) {
      PostgresBackend.install(connection, "public", table);
    }
  }

  private static PostgresBackend backend() {
    return PostgresBackend.builder("pg", server.getPostgresDatabase())
        .table("t", "id", "vec")
        .build();
  }

  private static void insert(Connection connection, String table, Map<Long, float[]> rows)
      throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("INSERT INTO %s VALUES (?, ?)".formatted(table))) {
      for (Map.Entry<Long, float[]> row : rows.entrySet()) {
        statement.setLong(1, row.getKey());
        statement.setObject(2, row.getValue());
        statement.addBatch();
      }
      statement.executeBatch();
    }
  }

  private static float anyFinite(SplittableRandom random) {
    float value = Float.intBitsToFloat(random.nextInt());
    return random.nextInt(4) == 0 || !Float.isFinite(value)
        ? EDGES[random.nextInt(EDGES.length)]
        : value;
  }

  @Test
  void pullsWhatWasInsertedBitForBit() throws Exception {
    long seed = Long.getLong("tests.seed", System.nanoTime());
    SplittableRandom random = new SplittableRandom(seed);
    String name = "Odd \"name'\\ %s";
    String table = "\"Odd \"\"name'\\ %s\"";
    for (int round = 0; round < 10; round++) {
      int dim = round == 0 ? 8_192 : 1 + random.nextInt(300);
      TreeMap<Long, float[]> rows = new TreeMap<>();
      int count = 1 + random.nextInt(round == 0 ? 300 : 500);
      for (int i = 0; i < count; i++) {
        float[] vector = new float[dim];
        for (int j = 0; j < dim; j++) {
          vector[j] = anyFinite(random);
        }
        rows.put(random.nextInt(10) == 0 ? Long.MIN_VALUE + i : random.nextLong(), vector);
      }
      try (Connection connection = server.getPostgresDatabase().getConnection()) {
        try (Statement statement = connection.createStatement()) {
          statement.execute("DROP TABLE IF EXISTS " + table);
          statement.execute("CREATE TABLE %s (\"ID '\" bigint, \"v\"\"\" real[])".formatted(table));
        }
        PostgresBackend.install(connection, "public", name);
        insert(connection, table, rows);
      }
      PostgresBackend backend =
          PostgresBackend.builder("pg", server.getPostgresDatabase())
              .collection("c", name, "ID '", "v\"", 0)
              .build();
      RecordingSink sink = new RecordingSink();
      backend.pull("c", sink);
      assertEquals(
          RecordingSink.bits(rows), RecordingSink.bits(sink.rows()), () -> "tests.seed=" + seed);
      assertEquals(backend.generation("c"), sink.generation());
      assertEquals(List.of("c"), backend.collections());
    }
  }

  @Test
  void theGenerationChangesWithTheRowsAndOnlyThen() throws Exception {
    sql("CREATE TABLE t (id int, vec real[])");
    PostgresBackend backend = backend();
    assertTrue(
        assertThrows(SQLException.class, () -> backend.generation("t"))
            .getMessage()
            .contains("install"));
    install("t");
    HashSet<Generation> seen = new HashSet<>(List.of(backend.generation("t")));
    for (String write :
        List.of(
            "INSERT INTO t VALUES (1, '{1,2}'), (2, '{3,4}')",
            "UPDATE t SET vec = '{5,6}' WHERE id = 1",
            "DELETE FROM t WHERE id = 2",
            "MERGE INTO t USING (SELECT 1 AS i) s ON t.id = s.i"
                + " WHEN MATCHED THEN UPDATE SET vec = '{7,8}'",
            "SET session_replication_role = replica; INSERT INTO t VALUES (3, '{1,1}');"
                + " RESET session_replication_role",
            "TRUNCATE t",
            "BEGIN; ALTER TABLE t RENAME TO old; CREATE TABLE t (LIKE old); COMMIT")) {
      sql(write);
      if (write.startsWith("BEGIN")) {
        assertThrows(SQLException.class, () -> backend.generation("t"));
        install("t");
      }
      assertTrue(seen.add(backend.generation("t")), write);
    }
    Generation last = backend.generation("t");
    sql("SELECT * FROM t", "VACUUM t", "ANALYZE t");
    assertEquals(last, backend.generation("t"));
    sql("BEGIN; INSERT INTO t VALUES (9, '{1,2}'); ROLLBACK");
    assertEquals(last, backend.generation("t"));
    sql("ALTER TABLE t DISABLE TRIGGER ruvector_generation");
    assertThrows(SQLException.class, () -> backend.generation("t"));
  }

  @Test
  void tablesThatChangeNamesAreNotTakenForEachOther() throws Exception {
    sql("CREATE TABLE t (id int, vec real[])", "CREATE TABLE next (id int, vec real[])");
    install("t");
    install("next");
    sql("INSERT INTO t VALUES (1, '{1}')", "INSERT INTO next VALUES (1, '{2}')");
    Generation before = backend().generation("t");
    sql("BEGIN; ALTER TABLE t RENAME TO old; ALTER TABLE next RENAME TO t; COMMIT");
    assertNotEquals(before, backend().generation("t"));
    RecordingSink sink = new RecordingSink();
    backend().pull("t", sink);
    assertEquals(2f, sink.rows().get(1L)[0]);
    assertEquals(backend().generation("t"), sink.generation());
  }

  /** Each writer notes, under the lock that it holds, which rows its generation has. */
  @Test
  void whatIsPulledIsTheStateAtItsGeneration() throws Exception {
    sql("CREATE TABLE t (id bigint PRIMARY KEY, vec real[])");
    install("t");
    sql("INSERT INTO t SELECT i, array_fill(0::real, ARRAY[64]) FROM generate_series(1, 3000) i");
    PostgresBackend backend = backend();
    ConcurrentHashMap<Generation, Long> sums = new ConcurrentHashMap<>();
    sums.put(backend.generation("t"), 0L);
    AtomicBoolean stop = new AtomicBoolean();
    List<Future<?>> writers = new ArrayList<>();
    try (ExecutorService pool = Executors.newFixedThreadPool(3)) {
      for (int w = 0; w < 3; w++) {
        SplittableRandom random = new SplittableRandom(w);
        writers.add(
            pool.submit(
                () -> {
                  try (Connection connection = server.getPostgresDatabase().getConnection();
                      Statement statement = connection.createStatement()) {
                    connection.setAutoCommit(false);
                    while (!stop.get()) {
                      long low = random.nextInt(1, 2_900);
                      statement.execute(
                          "UPDATE t SET vec[1] = vec[1] + 1 WHERE id BETWEEN %d AND %d"
                              .formatted(low, low + 5));
                      if (random.nextInt(20) == 0) {
                        statement.execute(
                            "DELETE FROM t WHERE id = %d".formatted(random.nextInt(1, 3_000)));
                      }
                      try (var row =
                          statement.executeQuery(
                              "SELECT 't'::regclass::oid || ':' || (SELECT generation FROM"
                                  + " ruvector_generation WHERE relation = 't'::regclass),"
                                  + " sum(id * 1000 + vec[1])::bigint FROM t")) {
                        row.next();
                        Generation generation = Generation.of(row.getString(1));
                        if (random.nextInt(10) == 0) {
                          connection.rollback();
                        } else {
                          // Before the commit, so that no reader can be faster. A rolled back
                          // transaction's number may come again.
                          sums.put(generation, row.getLong(2));
                          connection.commit();
                        }
                      }
                    }
                    return null;
                  }
                }));
      }
      HashSet<Generation> pulled = new HashSet<>();
      try {
        sums.remove(backend.generation("t"), 0L);
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(3);
        while (System.nanoTime() < end || pulled.size() < 5) {
          RecordingSink sink = new RecordingSink();
          backend.pull("t", sink);
          Long expected = sums.get(sink.generation());
          if (expected == null) {
            continue; // That of the inserts, which no writer noted.
          }
          long sum = 0;
          for (Map.Entry<Long, float[]> row : sink.rows().entrySet()) {
            sum += row.getKey() * 1_000 + (long) row.getValue()[0];
          }
          assertEquals(expected, sum);
          pulled.add(sink.generation());
        }
      } finally {
        stop.set(true);
      }
      for (Future<?> writer : writers) {
        writer.get();
      }
      assertTrue(pulled.size() >= 5, pulled::toString);
    }
  }

  @Test
  void writersOfOneTableWaitForEachOther() throws Exception {
    sql("CREATE TABLE t (id int, vec real[])");
    install("t");
    try (ExecutorService pool = Executors.newSingleThreadExecutor();
        Connection first = server.getPostgresDatabase().getConnection();
        Statement statement = first.createStatement()) {
      first.setAutoCommit(false);
      statement.execute("INSERT INTO t VALUES (1, '{1}')");
      Future<?> second =
          pool.submit(
              () -> {
                sql("INSERT INTO t VALUES (2, '{2}')");
                return null;
              });
      assertThrows(TimeoutException.class, () -> second.get(300, TimeUnit.MILLISECONDS));
      Generation before = backend().generation("t");
      first.commit();
      second.get();
      assertNotEquals(before, backend().generation("t"));
    }
  }

  /** TRUNCATE heeds no snapshot: between the counter and the COPY it would leave no rows. */
  @Test
  void truncateWaitsForThePull() throws Exception {
    sql("CREATE TABLE t (id int, vec real[])", "INSERT INTO t VALUES (1, '{1}')");
    install("t");
    Generation before = backend().generation("t");
    List<SQLException> refused = new ArrayList<>();
    try (Connection connection = server.getPostgresDatabase().getConnection()) {
      OneConnection pool =
          new OneConnection(
              connection,
              sql -> {
                if (sql.contains("pg_attribute")) {
                  refused.add(
                      assertThrows(
                          SQLException.class,
                          () -> sql("SET lock_timeout = '200ms'", "TRUNCATE t")));
                }
              });
      RecordingSink sink = new RecordingSink();
      PostgresBackend.builder("pg", pool.source()).table("t", "id", "vec").build().pull("t", sink);
      assertEquals(1, sink.rows().size());
      assertEquals(before, sink.generation());
    }
    assertEquals("55P03", refused.getFirst().getSQLState());
    sql("TRUNCATE t");
    assertNotEquals(before, backend().generation("t"));
  }

  @Test
  void badRowsAreNamed() throws Exception {
    for (String[] bad :
        new String[][] {
          {"NULL", "its vector is NULL"},
          {"'{1,NULL}'", "component 1 is NULL"},
          {"'{}'", "its vector is empty"},
          {"'{{1,2},{3,4}}'", "its array has 2 dimensions, expected: 1"},
          {"'{1,2,3}'", "3 components, expected: 2"},
          {"'{1}'", "1 components, expected: 2"},
          {"'{0,NaN}'", "component 1 is NaN"},
          {"'{-Infinity,0}'", "component 0 is -Infinity"},
        }) {
      sql(
          "DROP TABLE IF EXISTS t",
          "CREATE TABLE t (id int, vec real[])",
          "INSERT INTO t VALUES (1, '{1,2}'), (-7, %s)".formatted(bad[0]));
      install("t");
      RecordingSink sink = new RecordingSink();
      SQLException e = assertThrows(SQLException.class, () -> backend().pull("t", sink));
      assertTrue(e.getMessage().startsWith("\"public\".\"t\", id -7: " + bad[1]), e.getMessage());
      assertEquals(null, sink.generation());
    }
    sql("UPDATE t SET vec = '{3,4}'", "INSERT INTO t VALUES (NULL, '{1,2}')");
    SQLException e =
        assertThrows(SQLException.class, () -> backend().pull("t", new RecordingSink()));
    assertTrue(e.getMessage().contains("id is NULL"), e.getMessage());
  }

  @Test
  void badTablesAreNamed() throws Exception {
    sql("CREATE TABLE t (id text, vec double precision[])", "CREATE VIEW v AS SELECT * FROM t");
    install("t");
    assertMessage("kind 'v'", () -> install("v"));
    sql("DROP VIEW v");
    assertMessage("column \"id\" is of type text", () -> backend().pull("t", new RecordingSink()));
    sql("ALTER TABLE t ALTER id TYPE int USING 1");
    assertMessage(
        "column \"vec\" is of type double precision[], expected: real[] or vector",
        () -> backend().pull("t", new RecordingSink()));
    sql("ALTER TABLE t DROP vec");
    assertMessage("no column \"vec\"", () -> backend().pull("t", new RecordingSink()));
    assertMessage("not there", () -> install("none"));
    sql("DROP TABLE t CASCADE");
    assertMessage("\"public\".\"t\"", () -> backend().generation("t"));
    assertEquals(List.of(), backend().collections());
    assertThrows(IllegalArgumentException.class, () -> backend().generation("other"));
  }

  private static void assertMessage(String part, org.junit.jupiter.api.function.Executable code) {
    String message = assertThrows(SQLException.class, code).getMessage();
    assertTrue(message.contains(part), message);
  }

  @Test
  void anEmptyTableNeedsADimension() throws Exception {
    sql("CREATE TABLE t (id int, vec real[])");
    install("t");
    assertMessage("dimension", () -> backend().pull("t", new RecordingSink()));
    PostgresBackend backend =
        PostgresBackend.builder("pg", server.getPostgresDatabase())
            .collection("t", "t", "id", "vec", 5)
            .build();
    RecordingSink sink = new RecordingSink();
    backend.pull("t", sink);
    assertEquals(5, sink.dim());
    assertEquals(backend.generation("t"), sink.generation());
  }

  @Test
  @Timeout(60)
  void aSinkThatCancelsEndsThePull() throws Exception {
    sql(
        "CREATE TABLE t (id int, vec real[])",
        "INSERT INTO t SELECT i, array_fill(1::real, ARRAY[512]) FROM generate_series(1, 5000) i");
    install("t");
    RecordingSink sink =
        new RecordingSink() {
          @Override
          public void add(Vectors rows, Ids ids) {
            throw new CancellationException("nobody waits");
          }
        };
    assertThrows(CancellationException.class, () -> backend().pull("t", sink));
    // Its lock goes with its connection: else this would wait for ever.
    sql("SET lock_timeout = '20s'; TRUNCATE t");
  }

  @Test
  void aConnectionComesBackAsItWas() throws Exception {
    sql("CREATE TABLE t (id int, vec real[])", "INSERT INTO t VALUES (1, '{1}')");
    install("t");
    try (Connection connection = server.getPostgresDatabase().getConnection()) {
      PostgresBackend backend =
          PostgresBackend.builder("pg", new OneConnection(connection, sql -> {}).source())
              .table("t", "id", "vec")
              .build();
      for (int i = 0; i < 2; i++) {
        backend.pull("t", new RecordingSink());
        assertTrue(connection.getAutoCommit() && !connection.isReadOnly());
        assertEquals(Connection.TRANSACTION_READ_COMMITTED, connection.getTransactionIsolation());
      }
    }
  }
}
