package io.ruvector.lake.postgres;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.lake.ChangeSink;
import io.ruvector.lake.Generation;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import io.ruvector.lake.testing.RecordingSink;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
import org.postgresql.PGConnection;

/** On the server of Maven Central's artifact, or that in {@code -Dtests.postgres=FILE.txz}. */
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
    EmbeddedPostgres.Builder builder = EmbeddedPostgres.builder().setServerConfig("fsync", "off");
    String other = System.getProperty("tests.postgres");
    if (other != null) {
      builder.setPgBinaryResolver((system, machine) -> Files.newInputStream(Path.of(other)));
    }
    server = builder.start();
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

  private static void installLog(String table, int keep) throws SQLException {
    try (Connection connection = server.getPostgresDatabase().getConnection()) {
      PostgresBackend.installLog(connection, "public", table, "id", keep);
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
    installLog("t", 200);
    sql("INSERT INTO t SELECT i, array_fill(0::real, ARRAY[64]) FROM generate_series(1, 3000) i");
    PostgresBackend backend = backend();
    Follower follower = new Follower(backend, "t");
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
          follower.follow();
          // That of the inserts no writer noted.
          Long expected = sums.get(sink.generation());
          if (expected != null) {
            assertEquals(expected, sum(sink.rows()));
            pulled.add(sink.generation());
          }
          expected = sums.get(follower.generation);
          if (expected != null) {
            assertEquals(expected, sum(follower.rows));
          }
        }
      } finally {
        stop.set(true);
      }
      for (Future<?> writer : writers) {
        writer.get();
      }
      assertTrue(pulled.size() >= 5, pulled::toString);
      assertTrue(follower.followed > 0, "only pulled");
    }
  }

  private static long sum(Map<Long, float[]> rows) {
    long sum = 0;
    for (Map.Entry<Long, float[]> row : rows.entrySet()) {
      sum += row.getKey() * 1_000 + (long) row.getValue()[0];
    }
    return sum;
  }

  /** Has the rows of a table, and takes in its changes where it is told them. */
  private static final class Follower {
    final PostgresBackend backend;
    final String collection;
    TreeMap<Long, float[]> rows = new TreeMap<>();
    Generation generation = Generation.of("");
    int followed;

    Follower(PostgresBackend backend, String collection) {
      this.backend = backend;
      this.collection = collection;
    }

    /** Whether it was told what changed. */
    boolean follow() throws Exception {
      Changes changes = new Changes();
      boolean told = backend.changesSince(collection, generation, changes);
      RecordingSink sink = changes;
      if (told) {
        changes.removed.forEach(rows::remove);
        rows.putAll(changes.rows());
        followed++;
      } else {
        assertTrue(changes.rows().isEmpty() && changes.removed.isEmpty());
        sink = new RecordingSink();
        backend.pull(collection, sink);
        rows = sink.rows();
      }
      generation = sink.generation();
      return told;
    }
  }

  private static final class Changes extends RecordingSink implements ChangeSink {
    final Set<Long> removed = new HashSet<>();

    @Override
    public void remove(long... ids) {
      for (long id : ids) {
        assertTrue(removed.add(id), "removed twice");
      }
    }
  }

  /** After random statements a follower has what a pull finds, and few of them it is told of. */
  @Test
  void changesLeadToWhatAPullFinds() throws Exception {
    long seed = Long.getLong("tests.seed", System.nanoTime());
    SplittableRandom random = new SplittableRandom(seed);
    sql("CREATE TABLE \"%s\" (id int PRIMARY KEY, vec real[], other text)");
    installLog("%s", 40);
    PostgresBackend backend =
        PostgresBackend.builder("pg", server.getPostgresDatabase())
            .collection("c", "%s", "id", "vec", 3)
            .build();
    Follower follower = new Follower(backend, "c");
    int cuts = 0;
    try (Connection connection = server.getPostgresDatabase().getConnection();
        Statement statement = connection.createStatement()) {
      for (int round = 0; round < 300; round++) {
        connection.setAutoCommit(random.nextInt(3) > 0);
        boolean few = round > 0;
        for (int i = random.nextInt(4); i > 0; i--) {
          int kind = random.nextInt(40);
          statement.execute(statement(kind, random));
          few &= kind >= 3;
        }
        if (!connection.getAutoCommit()) {
          if (random.nextInt(4) == 0) {
            connection.rollback();
          } else {
            connection.commit();
          }
        }
        boolean told = follower.follow();
        assertTrue(told || !few, () -> "not told, tests.seed=" + seed);
        cuts += told ? 0 : 1;
        RecordingSink pulled = new RecordingSink();
        backend.pull("c", pulled);
        assertEquals(pulled.generation(), follower.generation);
        assertEquals(
            RecordingSink.bits(pulled.rows()),
            RecordingSink.bits(follower.rows),
            () -> "tests.seed=" + seed);
      }
      try (ResultSet row = statement.executeQuery("SELECT count(*) FROM ruvector_changes")) {
        assertTrue(row.next() && row.getInt(1) <= 100, "the log grows");
      }
    }
    assertTrue(cuts > 1 && follower.followed > 100, cuts + " cuts");
  }

  /** A statement; those of the first three kinds change more than a log of 40 rows holds. */
  private static String statement(int kind, SplittableRandom random) {
    int id = random.nextInt(150);
    String vector = "ARRAY[%d, %d, 1]::real[]".formatted(random.nextInt(9), random.nextInt(9));
    String table = "\"%s\"";
    return switch (kind) {
      case 0 -> "TRUNCATE " + table;
      case 1 -> "UPDATE %s SET vec[1] = vec[1] + 1".formatted(table);
      case 2 ->
          "INSERT INTO %s SELECT i, %s FROM generate_series(1, 100) i ON CONFLICT DO NOTHING"
              .formatted(table, vector);
      case 3, 4, 5, 6 -> "DELETE FROM %s WHERE id BETWEEN %d AND %d".formatted(table, id, id + 2);
      case 7, 8, 9 ->
          "UPDATE %s t SET id = 1000 - id WHERE id = %d AND NOT EXISTS (SELECT FROM %1$s WHERE id = 1000 - t.id)"
              .formatted(table, id);
      case 10, 11 ->
          "MERGE INTO %s t USING (VALUES (%d), (%d)) s(i) ON t.id = s.i WHEN MATCHED THEN DELETE"
                  .formatted(table, id, id + 1)
              + " WHEN NOT MATCHED THEN INSERT VALUES (s.i, %s)".formatted(vector);
      case 12 -> "UPDATE %s SET vec[1] = 0 WHERE id < 0".formatted(table);
      case 13 -> "UPDATE %s SET other = 'x' WHERE id = %d".formatted(table, id);
      default ->
          "INSERT INTO %s VALUES (%d, %s), (%d, %3$s) ON CONFLICT (id) DO UPDATE SET vec = excluded.vec"
              .formatted(table, id, vector, id + 1);
    };
  }

  @Test
  void whatIsNotNotedIsNotTold() throws Exception {
    sql("CREATE TABLE t (id int, vec real[])", "INSERT INTO t VALUES (1, '{1}'), (2, '{2}')");
    install("t");
    Generation before = backend().generation("t");
    assertFalse(backend().changesSince("t", before, new Changes()));
    installLog("t", 10);
    assertFalse(backend().changesSince("t", before, new Changes()));
    assertFalse(backend().changesSince("t", Generation.of(7), new Changes()));
    assertFalse(backend().changesSince("t", Generation.of("7:x"), new Changes()));
    Follower follower = new Follower(backend(), "t");
    assertFalse(follower.follow());
    assertTrue(follower.follow());
    sql(
        "ALTER TABLE t RENAME id TO key; INSERT INTO t VALUES (3, '{3}'); ALTER TABLE t RENAME key"
            + " TO id");
    assertTrue(follower.follow());
    assertEquals(Set.of(1L, 2L, 3L), follower.rows.keySet());
    sql("ALTER TABLE t DISABLE TRIGGER ruvector_log_delete; DELETE FROM t WHERE id = 1");
    assertFalse(follower.follow());
    assertEquals(Set.of(2L, 3L), follower.rows.keySet());
    installLog("t", 10);
    assertFalse(follower.follow());
    sql("INSERT INTO t VALUES (NULL, '{4}')");
    assertFalse(backend().changesSince("t", follower.generation, new Changes()));
    sql("ALTER TABLE t DROP id; INSERT INTO t VALUES ('{5}')");
    assertFalse(backend().changesSince("t", follower.generation, new Changes()));
    assertMessage(
        "no column \"none\"",
        () -> {
          try (Connection connection = server.getPostgresDatabase().getConnection()) {
            PostgresBackend.installLog(connection, "public", "t", "none", 10);
          }
        });
  }

  /** What a restore took back is in no log: a generation from before it is not followed. */
  @Test
  void anotherHistoryIsNotFollowed() throws Exception {
    sql("CREATE TABLE t (id int, vec real[])");
    installLog("t", 100);
    sql(
        "INSERT INTO t VALUES (1, '{1}')",
        "CREATE TABLE t0 AS TABLE t",
        "CREATE TABLE g0 AS TABLE ruvector_generation",
        "CREATE TABLE l0 AS TABLE ruvector_log",
        "CREATE TABLE c0 AS TABLE ruvector_changes",
        "INSERT INTO t VALUES (2, '{2}')");
    Follower follower = new Follower(backend(), "t");
    follower.follow();
    sql(
        "ALTER TABLE t DISABLE TRIGGER ALL; DELETE FROM t; INSERT INTO t TABLE t0",
        "DELETE FROM ruvector_generation; INSERT INTO ruvector_generation TABLE g0",
        "DELETE FROM ruvector_log; INSERT INTO ruvector_log TABLE l0",
        "DELETE FROM ruvector_changes; INSERT INTO ruvector_changes TABLE c0",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER ruvector_generation",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER ruvector_log_insert",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER ruvector_log_update",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER ruvector_log_delete",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER ruvector_log_truncate",
        "INSERT INTO t VALUES (3, '{3}')");
    assertFalse(follower.follow());
    assertEquals(Set.of(1L, 3L), follower.rows.keySet());
    sql("DELETE FROM t WHERE id = 1");
    assertTrue(follower.follow());
    assertEquals(Set.of(3L), follower.rows.keySet());
  }

  @Test
  void aLakeTakesInChangesAlone() throws Exception {
    sql(
        "CREATE TABLE t (id int PRIMARY KEY, vec real[])",
        "INSERT INTO t SELECT i, ARRAY[i, 1] FROM generate_series(1, 100) i");
    installLog("t", 100);
    try (RuLake lake = RuLake.builder().build()) {
      lake.registerBackend(backend());
      Target target = Target.of("pg", "t");
      assertEquals(50, lake.search(target, new float[] {50, 1}, 1).ids()[0]);
      sql("DELETE FROM t WHERE id = 50", "INSERT INTO t VALUES (1000, '{50, 1.25}')");
      assertEquals(1_000, lake.search(target, new float[] {50, 1}, 1).ids()[0]);
      assertEquals(1, lake.cacheStats().total().refreshes());
      sql("TRUNCATE t", "INSERT INTO t VALUES (7, '{1, 1}')");
      assertEquals(7, lake.search(target, new float[] {50, 1}, 1).ids()[0]);
      assertEquals(1, lake.cacheStats().total().refreshes());
    }
  }

  /** Needs a server that has pgvector, which Maven Central's has not. */
  @Test
  void pgvectorsColumns() throws Exception {
    try (Connection connection = server.getPostgresDatabase().getConnection();
        Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery("SELECT FROM pg_available_extensions WHERE name = 'vector'")) {
      assumeTrue(row.next(), "the server has no pgvector");
    }
    sql(
        "CREATE EXTENSION vector",
        "CREATE TABLE t (id int, vec vector(3))",
        "CREATE TABLE any_dim (id int, vec vector)");
    installLog("t", 100);
    install("any_dim");
    RecordingSink empty = new RecordingSink();
    backend().pull("t", empty);
    assertEquals(3, empty.dim());
    sql(
        "INSERT INTO t VALUES %s".formatted(CopyRowsTest.PGVECTOR_VALUES),
        "INSERT INTO any_dim TABLE t");
    PostgresBackend anyDim =
        PostgresBackend.builder("pg", server.getPostgresDatabase())
            .table("any_dim", "id", "vec")
            .build();
    String expected = RecordingSink.bits(CopyRowsTest.PGVECTOR_ROWS);
    RecordingSink sink = new RecordingSink();
    anyDim.pull("any_dim", sink);
    assertEquals(expected, RecordingSink.bits(sink.rows()));
    Follower follower = new Follower(backend(), "t");
    follower.follow();
    assertEquals(expected, RecordingSink.bits(follower.rows));
    sql("UPDATE t SET vec = '[7,8,9]' WHERE id = 1");
    assertTrue(follower.follow());
    assertArrayEquals(new float[] {7, 8, 9}, follower.rows.get(1L));
    sql("UPDATE t SET vec = (SELECT vec FROM any_dim WHERE id = 1) WHERE id = 1");
    try (Connection connection = server.getPostgresDatabase().getConnection()) {
      var bytes = new ByteArrayOutputStream();
      connection
          .unwrap(PGConnection.class)
          .getCopyAPI()
          .copyOut(
              "COPY (SELECT id::int8, vec FROM t ORDER BY id) TO STDOUT (FORMAT binary)", bytes);
      assertEquals(CopyRowsTest.PGVECTOR_STREAM, HexFormat.of().formatHex(bytes.toByteArray()));
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
