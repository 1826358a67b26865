package io.ruvector.lake;

import static io.ruvector.lake.ScriptedAdapter.TARGET;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.DeadlineExceededException;
import io.ruvector.RuVectorException.Code;
import io.ruvector.index.DimensionMismatchException;
import io.ruvector.index.DuplicateIdException;
import io.ruvector.index.IdFilter;
import io.ruvector.index.Ids;
import io.ruvector.index.IndexKind;
import io.ruvector.index.IndexOptions;
import io.ruvector.index.InvalidVectorException;
import io.ruvector.index.RabitqPlusIndex;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import io.ruvector.internal.NativeLibrary;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class RuLakeTest {
  private static final int DIM = 16;
  private static final Target WORDS = Target.of("memory", "words");

  @TempDir Path folder;

  private static RuLake lake(Consistency consistency, Backend backend) {
    RuLake lake = RuLake.builder().consistency(consistency).build();
    lake.registerBackend(backend);
    return lake;
  }

  private static long nearest(RuLake lake, float... query) {
    return lake.search(TARGET, query, 1).ids()[0];
  }

  @Test
  void findsWhatTheIndexFinds() {
    Random random = Seed.random("findsWhatTheIndexFinds");
    float[][] rows = Data.vectors(random, 3_000, DIM);
    Vectors vectors = Vectors.copyOf(rows);
    try (var memory = LocalBackend.create("memory");
        var lake = lake(Consistency.fresh(), memory);
        var index = RabitqPlusIndex.build(vectors, Ids.from(100), IndexOptions.defaults())) {
      memory.replace("words", vectors, Ids.from(100));
      assertEquals(List.of("words"), memory.collections());
      assertEquals(List.of("memory"), lake.backendIds());
      assertFalse(lake.isCached(WORDS));
      for (int i = 0; i < 50; i++) {
        float[] query = Data.vector(random, DIM);
        var request =
            SearchRequest.of(query)
                .k(7)
                .filter(i % 2 == 0 ? IdFilter.all() : IdFilter.range(500, 900));
        LakeResult found = lake.search(WORDS, request);
        assertArrayEquals(index.search(request).ids(), found.ids());
        assertArrayEquals(index.search(request).scores(), found.scores());
        assertEquals(Generation.of(1), found.generation());
        assertFalse(found.stale());
        assertTrue(found.confirmedAt().isPresent());
      }
      Vectors queries = Vectors.copyOf(Data.vectors(random, 20, DIM));
      var template = SearchRequest.template().k(5);
      assertArrayEquals(
          index.searchBatch(queries, template).get(3).ids(),
          lake.searchBatch(WORDS, queries, template).hits().get(3).ids());
      assertArrayEquals(
          index.search(rows[5], 3).ids(),
          lake.searchAsync(WORDS, SearchRequest.of(rows[5]).k(3)).join().ids());
      assertEquals(1, lake.cacheStats().total().primes());
      assertThrows(DimensionMismatchException.class, () -> lake.search(WORDS, new float[3], 1));
      assertThrows(IllegalArgumentException.class, () -> lake.search(WORDS, rows[0], 0));
    }
  }

  @Test
  void writesAreSeenByTheNextSearch() {
    try (var memory = LocalBackend.create("memory");
        var lake = lake(Consistency.fresh(), memory)) {
      memory.replace("words", Vectors.copyOf(Data.vectors(new Random(1), 500, 2)), Ids.from(0));
      for (long id = 1_000; id < 1_050; id++) {
        memory.upsert("words", Vectors.copyOf(new float[] {id, -id}), Ids.of(id));
        assertEquals(id, lake.search(WORDS, new float[] {id, -id}, 1).ids()[0]);
        if (id % 3 == 0) {
          assertEquals(1, memory.remove("words", id));
          assertTrue(lake.search(WORDS, new float[] {id, -id}, 1).ids()[0] != id);
        }
      }
      var counts = lake.cacheStats().total();
      assertEquals(counts.primes() - 1, counts.refreshes());
      assertTrue(memory.drop("words"));
      var e = assertThrows(LakeException.class, () -> lake.search(WORDS, new float[2], 1));
      assertEquals(Code.UNKNOWN_COLLECTION, e.code());
    }
  }

  @Test
  void aCollectionWithoutRowsHasNoHits() {
    try (var memory = LocalBackend.create("memory");
        var lake = lake(Consistency.fresh(), memory)) {
      memory.upsert("words", Vectors.copyOf(new float[] {1, 2}), Ids.of(7));
      memory.remove("words", 7);
      assertEquals(0, lake.search(WORDS, new float[] {1, 2}, 3).size());
      var batch =
          lake.searchBatch(WORDS, Vectors.copyOf(new float[] {1, 2}), SearchRequest.template());
      assertEquals(0, batch.hits().get(0).size());
      assertThrows(DimensionMismatchException.class, () -> lake.search(WORDS, new float[3], 1));
    }
  }

  @Test
  void filesAreSeenAtOnce() {
    Target target = Target.of("files", "c");
    try (var files = FsBackend.open("files", folder);
        var lake = lake(Consistency.fresh(), files)) {
      for (int i = 1; i < 20; i++) {
        files.write("c", Vectors.copyOf(new float[] {i, i}), Ids.of(i));
        assertEquals(i, lake.search(target, new float[] {1, 1}, 1).ids()[0]);
      }
      var twice = Vectors.copyOf(new float[] {1, 1}, new float[] {2, 2});
      assertThrows(DuplicateIdException.class, () -> files.write("c", twice, Ids.of(7, 7)));
      var nan = Vectors.copyOf(new float[] {1, Float.NaN});
      assertThrows(InvalidVectorException.class, () -> files.write("c", nan, Ids.of(7)));
      assertEquals(19, lake.search(target, new float[] {1, 1}, 1).ids()[0]);
      assertEquals(List.of("c"), files.collections());
      assertThrows(IllegalArgumentException.class, () -> files.register("x", "../secret"));
    }
  }

  @Test
  void anAdapterIsPulledOnceForManySearches() throws Exception {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var began = new CountDownLatch(1);
    adapter.onPull =
        () -> {
          began.countDown();
          Thread.sleep(100);
        };
    try (var lake = lake(Consistency.fresh(), adapter)) {
      List<CompletableFuture<LakeResult>> futures = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        futures.add(lake.searchAsync(TARGET, SearchRequest.of(new float[] {1, 1}).k(1)));
      }
      for (var future : futures) {
        assertEquals(1, future.get(30, TimeUnit.SECONDS).ids()[0]);
      }
      assertEquals(1, adapter.pulls.get());
      var counts = lake.cacheStats().total();
      assertEquals(1, counts.primes());
      assertEquals(64, counts.hits() + counts.misses());
    }
  }

  @Test
  void anAdapterWhoseRowsChangeInAPullIsPulledAgain() {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var changes = new AtomicInteger();
    adapter.onPull =
        () -> {
          if (changes.incrementAndGet() < 3) {
            adapter.put(2, 5, 5);
          }
        };
    try (var lake = lake(Consistency.fresh(), adapter)) {
      LakeResult found = lake.search(TARGET, new float[] {5, 5}, 1);
      assertEquals(2, found.ids()[0]);
      assertEquals(Generation.of(3), found.generation());
      assertEquals(3, adapter.pulls.get());
      adapter.onPull = () -> adapter.put(2, 5, 5);
      adapter.put(3, 6, 6);
      var e = assertThrows(BackendException.class, () -> nearest(lake, 5, 5));
      assertTrue(e.getMessage().contains("changed during each of 5 pulls"), e.getMessage());
      adapter.snapshots = true;
      assertEquals(2, nearest(lake, 5, 5));
    }
  }

  @Test
  void anAdaptersChangesAreFollowed() {
    var adapter = new ScriptedAdapter();
    adapter.follows = true;
    for (int i = 0; i < 100; i++) {
      adapter.put(i, i, 0);
    }
    try (var lake = lake(Consistency.fresh(), adapter)) {
      assertEquals(7, nearest(lake, 7, 0));
      adapter.put(500, 7, 1);
      adapter.remove(7);
      assertEquals(500, nearest(lake, 7, .7f));
      assertEquals(1, adapter.pulls.get());
      assertEquals(1, adapter.followed.get());
      assertEquals(1, lake.cacheStats().total().refreshes());
      for (int i = 0; i < 100; i++) {
        adapter.put(i, i, 3);
      }
      assertEquals(12, nearest(lake, 12, 3));
      assertEquals(2, adapter.pulls.get());
    }
  }

  @Test
  void anAdaptersFailureHasItsCause() {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var failure = new IllegalStateException("no such table");
    adapter.onPull =
        () -> {
          throw failure;
        };
    try (var lake = lake(Consistency.fresh(), adapter)) {
      var e = assertThrows(BackendException.class, () -> nearest(lake, 1, 1));
      assertSame(failure, e.getCause());
      assertEquals(ScriptedAdapter.ID, e.backend());
      assertEquals("c", e.collection());
      assertFalse(lake.isCached(TARGET));
      adapter.onPull = () -> {};
      assertEquals(1, nearest(lake, 1, 1));
      var unknown =
          assertThrows(
              BackendException.class,
              () -> lake.search(Target.of(ScriptedAdapter.ID, "x"), new float[2], 1));
      assertEquals(Code.UNKNOWN_COLLECTION, unknown.code());
    }
  }

  @Test
  void aFailureThatPassesIsTriedAgain() {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var failures = new AtomicInteger();
    adapter.onGeneration =
        () -> {
          if (failures.incrementAndGet() % 3 != 0) {
            throw new IOException("reset");
          }
        };
    try (var lake = lake(Consistency.fresh(), adapter)) {
      assertEquals(1, nearest(lake, 1, 1));
      adapter.onGeneration =
          () -> {
            throw new IOException("down");
          };
      int before = adapter.generations.get();
      assertInstanceOf(
          IOException.class,
          assertThrows(BackendException.class, () -> nearest(lake, 1, 1)).getCause());
      assertEquals(4, adapter.generations.get() - before);
    }
  }

  @Test
  void aBackendThatIsDownIsAnsweredForAsFarAsIsAllowed() {
    var eventual = Consistency.eventual(Duration.ZERO);
    for (var consistency :
        List.of(
            Consistency.fresh(),
            eventual,
            eventual.maxStale(Duration.ofMinutes(1)),
            Consistency.frozen())) {
      var adapter = new ScriptedAdapter();
      adapter.put(1, 1, 1);
      try (var lake = lake(consistency, adapter)) {
        assertEquals(1, nearest(lake, 1, 1));
        adapter.onGeneration =
            () -> {
              throw new IllegalStateException("down");
            };
        String name = consistency.toString();
        if (name.contains("1M")) {
          assertTrue(lake.search(TARGET, new float[] {1, 1}, 1).stale(), name);
          assertEquals(1, lake.cacheStats().total().stale());
        } else if (name.equals("frozen")) {
          assertFalse(lake.search(TARGET, new float[] {1, 1}, 1).stale(), name);
        } else {
          assertThrows(BackendException.class, () -> nearest(lake, 1, 1), name);
        }
      }
    }
  }

  @Test
  void aStaleAnswerComesFirstWhereThatIsAskedFor() throws Exception {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var consistency =
        Consistency.eventual(Duration.ZERO).maxStale(Duration.ofMinutes(1)).staleWhileRevalidate();
    try (var lake = lake(consistency, adapter)) {
      assertEquals(1, nearest(lake, 1, 1));
      adapter.put(2, 5, 5);
      LakeResult first = lake.search(TARGET, new float[] {5, 5}, 1);
      assertTrue(first.stale());
      assertEquals(1, first.ids()[0]);
      while (nearest(lake, 5, 5) != 2) {
        Thread.sleep(5);
      }
    }
  }

  /** Does not return until it is interrupted, and tells. */
  private static ScriptedAdapter.Script hanging(CountDownLatch interrupted) {
    return () -> {
      try {
        Thread.sleep(30_000);
      } catch (InterruptedException e) {
        interrupted.countDown();
        throw e;
      }
    };
  }

  @Test
  void aSearchLeavesAtItsDeadlineAndTakesThePullWithIt() throws Exception {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var interrupted = new CountDownLatch(1);
    adapter.onPull = hanging(interrupted);
    try (var lake = lake(Consistency.fresh(), adapter)) {
      var request = SearchRequest.of(new float[] {1, 1}).k(1);
      assertThrows(
          DeadlineExceededException.class,
          () -> lake.search(TARGET, request.timeout(Duration.ofMillis(50))));
      assertTrue(interrupted.await(10, TimeUnit.SECONDS), "nobody waits for the pull");
      adapter.onPull = () -> {};
      assertEquals(1, nearest(lake, 1, 1));
    }
  }

  @Test
  void anAdapterThatDoesNotAnswerHoldsNobodyBeyondItsTime() throws Exception {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var interrupted = new CountDownLatch(1);
    adapter.onGeneration = hanging(interrupted);
    try (var lake = lake(Consistency.fresh(), adapter)) {
      var request = SearchRequest.of(new float[] {1, 1}).k(1).timeout(Duration.ofMillis(50));
      assertThrows(DeadlineExceededException.class, () -> lake.search(TARGET, request));
      assertTrue(interrupted.await(10, TimeUnit.SECONDS));
      var late =
          assertThrows(CompletionException.class, () -> lake.searchAsync(TARGET, request).join());
      assertInstanceOf(DeadlineExceededException.class, late.getCause());
    }
  }

  @Test
  void aCancelledSearchDoesNotTakeThePullFromOthers() throws Exception {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var began = new CountDownLatch(1);
    var go = new CountDownLatch(1);
    adapter.onPull =
        () -> {
          began.countDown();
          go.await();
        };
    try (var lake = lake(Consistency.fresh(), adapter)) {
      var request = SearchRequest.of(new float[] {1, 1}).k(1);
      var first = lake.searchAsync(TARGET, request);
      began.await();
      var second = new CompletableFuture<LakeResult>();
      Thread waiter =
          Thread.ofPlatform().start(() -> second.complete(lake.search(TARGET, request)));
      while (waiter.getState() != Thread.State.WAITING) {
        Thread.sleep(1);
      }
      first.cancel(true);
      Thread.sleep(20);
      go.countDown();
      assertEquals(1, second.get(30, TimeUnit.SECONDS).ids()[0]);
      assertThrows(CancellationException.class, first::join);
      assertEquals(1, adapter.pulls.get());
    }
  }

  @Test
  void aLakeThatIsClosedInAPullEndsIt() throws Exception {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var began = new CountDownLatch(1);
    adapter.onPull =
        () -> {
          began.countDown();
          Thread.sleep(30_000);
        };
    var lake = lake(Consistency.fresh(), adapter);
    var search = lake.searchAsync(TARGET, SearchRequest.of(new float[] {1, 1}).k(1));
    began.await();
    lake.close();
    var e = assertThrows(ExecutionException.class, () -> search.get(10, TimeUnit.SECONDS));
    assertInstanceOf(IllegalStateException.class, e.getCause());
    assertThrows(IllegalStateException.class, () -> nearest(lake, 1, 1));
    assertEquals("RuLake[closed]", lake.toString());
  }

  @Test
  void aSinkIsDeadOnceItsPullHasReturned() {
    var sinks = new ArrayList<VectorSink>();
    var adapter =
        new BackendAdapter() {
          @Override
          public String id() {
            return ScriptedAdapter.ID;
          }

          @Override
          public List<String> collections() {
            return List.of("c");
          }

          @Override
          public Generation generation(String collection) {
            return Generation.of("version 1");
          }

          @Override
          public void pull(String collection, VectorSink sink) {
            sink.expect(2, 2);
            sinks.add(sink);
            sink.add(Vectors.copyOf(new float[] {1, 1}, new float[] {2, 2}), Ids.of(-1, -2));
          }
        };
    try (var lake = lake(Consistency.fresh(), adapter)) {
      LakeResult found = lake.search(TARGET, new float[] {2, 2}, 2);
      assertArrayEquals(new long[] {-2, -1}, found.ids());
      assertEquals(Generation.of("version 1"), found.generation());
      assertThrows(IllegalStateException.class, () -> sinks.getFirst().expect(1, 2));
    }
  }

  @Test
  void federatedHitsAreThoseOfTheUnion() {
    Random random = Seed.random("federated");
    float[][] rows = Data.vectors(random, 800, DIM);
    List<Target> targets = new ArrayList<>();
    try (var memory = LocalBackend.create("memory");
        var lake = lake(Consistency.fresh(), memory);
        var union = RabitqPlusIndex.build(Vectors.copyOf(rows), IndexOptions.defaults())) {
      for (int part = 0; part < 8; part++) {
        float[][] own = java.util.Arrays.copyOfRange(rows, part * 100, part * 100 + 100);
        memory.replace("part" + part, Vectors.copyOf(own), Ids.from(part * 100L));
        targets.add(Target.of("memory", "part" + part));
      }
      for (int i = 0; i < 30; i++) {
        var request = SearchRequest.of(Data.vector(random, DIM)).k(10).recall(1);
        var federated = FederatedRequest.of(request, targets);
        FederatedResult found = lake.searchFederated(federated);
        long[] ids = found.hits().stream().mapToLong(FederatedHit::id).toArray();
        assertArrayEquals(union.search(request).ids(), ids);
        assertTrue(found.isComplete());
        assertEquals(found.hits(), lake.searchFederatedAsync(federated).join().hits());
        for (FederatedHit hit : found) {
          assertEquals(Target.of("memory", "part" + hit.id() / 100), hit.target());
        }
      }
    }
  }

  @Test
  void federatedSearchNamesWhatFails() {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    try (var memory = LocalBackend.create("memory");
        var lake = lake(Consistency.fresh(), memory)) {
      lake.registerBackend(adapter);
      memory.replace("words", Vectors.copyOf(new float[] {1, 1}), Ids.of(1));
      var request = SearchRequest.of(new float[] {1, 1}).k(5);
      Target none = Target.of("memory", "none");
      var all = FederatedRequest.of(request, List.of(WORDS, TARGET, none, WORDS));
      FederatedResult found = lake.searchFederated(all);
      assertEquals(2, found.hits().size());
      assertEquals(java.util.Set.of(none), found.failures().keySet());
      assertEquals(1, lake.searchFederated(all.replicas()).hits().size());
      var e = assertThrows(LakeException.class, () -> lake.searchFederated(all.strict()));
      assertEquals(Code.UNKNOWN_COLLECTION, e.code());
      assertThrows(CompletionException.class, () -> lake.searchFederatedAsync(all.strict()).join());
      adapter.put(2, 2, 2);
      adapter.onPull = () -> Thread.sleep(30_000);
      FederatedResult late =
          lake.searchFederated(
              FederatedRequest.of(request, List.of(WORDS, TARGET))
                  .targetDeadline(Duration.ofSeconds(1)));
      assertEquals(1, late.hits().size());
      assertInstanceOf(DeadlineExceededException.class, late.failures().get(TARGET));
    }
  }

  @Test
  void aSavedCacheIsWarmAgain() {
    Random random = Seed.random("warm");
    float[][] rows = Data.vectors(random, 500, DIM);
    try (var memory = LocalBackend.create("memory");
        var lake = lake(Consistency.fresh(), memory)) {
      memory.replace("words", Vectors.copyOf(rows), Ids.from(-1_000_000_000_000L));
      long[] ids = lake.search(WORDS, rows[3], 5).ids();
      lake.saveCacheToDir(WORDS, folder);
      try (var warm = lake(Consistency.fresh(), memory)) {
        assertEquals(500, warm.warmFromDir(WORDS, folder));
        assertArrayEquals(ids, warm.search(WORDS, rows[3], 5).ids());
        assertEquals(lake.cacheWitnessOf(WORDS), warm.cacheWitnessOf(WORDS));
        assertEquals(0, warm.cacheStats().total().primes());
        assertEquals(Refresh.UP_TO_DATE, warm.refreshFromBundleDir(WORDS, folder));
        memory.remove("words", ids[0]);
        lake.publishBundle(WORDS, folder.resolve("published"));
        assertEquals(
            Refresh.INVALIDATED, warm.refreshFromBundleDir(WORDS, folder.resolve("published")));
        assertEquals(
            Refresh.BUNDLE_MISSING, warm.refreshFromBundleDir(WORDS, folder.resolve("none")));
      }
      try (var other = RuLake.builder().rotationSeed(7).build()) {
        other.registerBackend(memory);
        var e = assertThrows(LakeException.class, () -> other.warmFromDir(WORDS, folder));
        assertEquals(Code.BUNDLE, e.code());
      }
    }
  }

  @Test
  void anAdaptersCollectionIsPublishedAndSaved() {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    try (var lake = lake(Consistency.fresh(), adapter)) {
      lake.publishBundle(TARGET, folder);
      assertEquals(Refresh.UP_TO_DATE, lake.refreshFromBundleDir(TARGET, folder));
      lake.saveCacheToDir(TARGET, folder);
      assertTrue(lake.invalidateCache(TARGET));
      assertEquals(1, lake.warmFromDir(TARGET, folder));
      assertEquals(1, nearest(lake, 1, 1));
      assertEquals(1, adapter.pulls.get());
    }
  }

  /** What a search held on to does not outlive its place in the cache. */
  @Test
  void theMemoryOfWhatIsEvictedIsGivenBack() throws InterruptedException {
    float[][] rows = Data.vectors(new Random(1), 100, DIM);
    try (var memory = LocalBackend.create("memory");
        var lake = RuLake.builder().maxCacheEntries(2).build()) {
      lake.registerBackend(memory);
      long before = NativeLibrary.liveHandles();
      for (int i = 0; i < 5; i++) {
        rows[0][0] = i;
        memory.replace("c" + i, Vectors.copyOf(rows), Ids.from(0));
        lake.search(Target.of("memory", "c" + i), rows[0], 1);
      }
      awaitHandles(before + 2);
      assertTrue(lake.invalidateCache(Target.of("memory", "c4")));
      awaitHandles(before + 1);
      assertEquals(1, lake.search(Target.of("memory", "c4"), rows[0], 1).size());
    }
  }

  /** What is closed is freed in the end, at once where no call is inside. */
  static void awaitHandles(long expected) throws InterruptedException {
    for (int i = 0; i < 500 && NativeLibrary.liveHandles() != expected; i++) {
      Thread.sleep(10);
    }
    assertEquals(expected, NativeLibrary.liveHandles());
  }

  @Test
  void whatMayBeStaleIsPublishedWhileItsBackendIsDown() {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    var consistency = Consistency.eventual(Duration.ZERO).maxStale(Duration.ofMinutes(1));
    try (var lake = lake(consistency, adapter)) {
      assertEquals(1, nearest(lake, 1, 1));
      adapter.onGeneration =
          () -> {
            throw new IllegalStateException("down");
          };
      lake.publishBundle(TARGET, folder);
      assertEquals(Refresh.UP_TO_DATE, lake.refreshFromBundleDir(TARGET, folder));
    }
  }

  @Test
  void aDroppedCollectionOfAnAdapterIsNotServed() {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    try (var lake = lake(Consistency.fresh(), adapter)) {
      assertEquals(1, nearest(lake, 1, 1));
      adapter.onGeneration =
          () -> {
            throw new UnknownCollectionException("c");
          };
      var e = assertThrows(BackendException.class, () -> nearest(lake, 1, 1));
      assertEquals(Code.UNKNOWN_COLLECTION, e.code());
      assertFalse(lake.isCached(TARGET));
    }
  }

  @Test
  void theCacheKeepsWithinItsBounds() {
    try (var memory = LocalBackend.create("memory");
        var lake = RuLake.builder().maxCacheEntries(2).build();
        var small = RuLake.builder().maxCacheBytes(1_000).build()) {
      lake.registerBackend(memory);
      small.registerBackend(memory);
      float[][] rows = Data.vectors(new Random(1), 100, DIM);
      for (int i = 0; i < 5; i++) {
        rows[0][0] = i;
        memory.replace("c" + i, Vectors.copyOf(rows), Ids.from(0));
        lake.search(Target.of("memory", "c" + i), rows[0], 1);
        assertTrue(lake.cacheStats().total().entries() <= 2);
      }
      assertFalse(lake.isCached(Target.of("memory", "c0")));
      assertTrue(lake.cacheStats().toString().contains("memory/c4"));
      var e =
          assertThrows(
              LakeException.class, () -> small.search(Target.of("memory", "c0"), rows[0], 1));
      assertEquals(Code.BUDGET, e.code());
    }
  }

  @Test
  void backendsComeAndGo() {
    try (var memory = LocalBackend.create("memory");
        var lake = lake(Consistency.fresh(), memory)) {
      memory.replace("words", Vectors.copyOf(new float[] {1, 1}), Ids.of(1));
      var e = assertThrows(LakeException.class, () -> lake.registerBackend(memory));
      assertEquals(Code.DUPLICATE_BACKEND, e.code());
      assertEquals(1, lake.search(WORDS, new float[] {1, 1}, 1).size());
      assertTrue(lake.unregisterBackend("memory"));
      assertFalse(lake.unregisterBackend("memory"));
      var gone = assertThrows(LakeException.class, () -> lake.search(WORDS, new float[2], 1));
      assertEquals(Code.UNKNOWN_BACKEND, gone.code());
      assertThrows(IllegalArgumentException.class, () -> LocalBackend.create("a/b"));
    }
  }

  @Test
  void largeCollectionsAreCodedInCells() {
    float[][] rows = Data.vectors(new Random(1), 2_000, DIM);
    try (var memory = LocalBackend.create("memory");
        var lake = RuLake.builder().ivfFrom(1_500).build();
        var codes =
            RuLake.builder().index(IndexKind.RABITQ_ASYM, IndexOptions.defaults()).build()) {
      lake.registerBackend(memory);
      codes.registerBackend(memory);
      memory.replace("words", Vectors.copyOf(rows), Ids.from(0));
      assertTrue(lake.search(WORDS, rows[0], 1).hits().stats().probed() > 0);
      assertEquals(0, codes.search(WORDS, rows[0], 1).hits().stats().reranked());
      memory.remove("words", 5);
      assertEquals(1, codes.search(WORDS, rows[0], 1).size());
    }
  }
}
