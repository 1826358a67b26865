package io.ruvector.lake;

import static io.ruvector.lake.ScriptedAdapter.TARGET;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException.Code;
import io.ruvector.index.Ids;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.Vectors;
import io.ruvector.internal.NativeLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class LakeSessionTest {
  private static final float[] QUERY = {1, 1};

  @TempDir Path folder;

  private static RuLake lake(Backend backend) {
    RuLake lake = RuLake.builder().build();
    lake.registerBackend(backend);
    return lake;
  }

  @Test
  void aSessionKeepsItsRowsAndAsksOnce() throws InterruptedException {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    long before = NativeLibrary.liveHandles();
    try (var lake = lake(adapter)) {
      assertEquals(1, lake.search(TARGET, QUERY, 1).ids()[0]);
      int asked = adapter.generations.get();
      var session = lake.session();
      assertEquals(1, session.search(TARGET, QUERY, 5).size());
      assertEquals(asked + 1, adapter.generations.get());
      adapter.put(2, 1, 1);
      assertEquals(2, lake.search(TARGET, QUERY, 5).size());
      adapter.put(3, 1, 1);
      lake.invalidateCache(TARGET);
      int later = adapter.generations.get();
      LakeResult found = session.search(TARGET, QUERY, 5);
      assertEquals(1, found.size());
      assertEquals(Generation.of(1), found.generation());
      var batch = session.searchBatch(TARGET, Vectors.copyOf(QUERY), SearchRequest.template().k(5));
      assertEquals(1, batch.hits().get(0).size());
      assertEquals(later, adapter.generations.get());
      try (var next = lake.session()) {
        assertEquals(3, next.search(TARGET, QUERY, 5).size());
      }
      session.close();
      session.close();
      assertThrows(IllegalStateException.class, () -> session.search(TARGET, QUERY, 5));
    }
    RuLakeTest.awaitHandles(before);
  }

  @Test
  void aSessionSavesWhatItPulledAndBeginsFromThat() throws IOException {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    Path saved = folder.resolve("scripted=c.lake");
    for (int round = 0; round < 3; round++) {
      try (var lake = lake(adapter);
          var session = lake.session(folder)) {
        assertFalse(lake.isCached(TARGET));
        assertEquals(1, session.search(TARGET, QUERY, 1).ids()[0]);
        assertEquals(Math.min(round, 1), lake.cacheStats().total().warmInstalls());
        assertEquals(round > 0, Files.exists(saved));
      }
      assertEquals(1, adapter.pulls.get());
    }
    var written = Files.getLastModifiedTime(saved.resolve("index.rvx"));
    try (var lake = lake(adapter);
        var session = lake.session(folder)) {
      session.search(TARGET, QUERY, 1);
    }
    assertEquals(written, Files.getLastModifiedTime(saved.resolve("index.rvx")), "nothing is new");

    adapter.put(2, 1, 1);
    try (var lake = lake(adapter)) {
      try (var session = lake.session(folder)) {
        assertEquals(2, session.search(TARGET, QUERY, 5).size());
      }
      assertEquals(
          lake.cacheWitnessOf(TARGET).orElseThrow(), RuLakeBundle.readFromDir(saved).witness());
    }
    assertEquals(2, adapter.pulls.get());

    // What is damaged is pulled, and saved anew.
    byte[] index = Files.readAllBytes(saved.resolve("index.rvx"));
    index[index.length / 2] ^= 1;
    Files.write(saved.resolve("index.rvx"), index);
    for (int round = 0; round < 2; round++) {
      try (var lake = lake(adapter);
          var session = lake.session(folder)) {
        assertEquals(2, session.search(TARGET, QUERY, 5).size());
      }
      assertEquals(3, adapter.pulls.get());
    }
  }

  /** Also where the collection is cached already. */
  @Test
  void whatIsNotTrustedIsSavedAnew() throws Exception {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    Path saved = folder.resolve("scripted=c.lake");
    try (var lake = lake(adapter);
        var session = lake.session(folder)) {
      session.search(TARGET, QUERY, 1);
    }
    KeyPair keys = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    try (var lake =
        RuLake.builder().signingKey(keys.getPrivate()).trustedKeys(keys.getPublic()).build()) {
      lake.registerBackend(adapter);
      lake.search(TARGET, QUERY, 1);
      assertNull(RuLakeBundle.readFromDir(saved).signature());
      try (var session = lake.session(folder)) {
        session.search(TARGET, QUERY, 1);
      }
      assertTrue(RuLakeBundle.readFromDir(saved).isSignedBy(keys.getPublic()));
    }
  }

  @Test
  void namesDoNotLeaveTheFolder() throws IOException {
    try (var memory = LocalBackend.create("..");
        var lake = lake(memory)) {
      List<String> names = List.of("../x", "..", "a b", "a=b");
      try (var session = lake.session(folder)) {
        for (String name : names) {
          memory.replace(name, Vectors.copyOf(QUERY), Ids.of(1));
          session.search(Target.of("..", name), QUERY, 1);
        }
      }
      try (var files = Files.list(folder)) {
        assertEquals(names.size(), files.filter(file -> file.toString().endsWith(".lake")).count());
      }
    }
  }

  @Test
  void aFailureToSaveIsToldAndKeepsNoOtherFromIt() throws IOException {
    try (var memory = LocalBackend.create("memory");
        var lake = lake(memory)) {
      memory.replace("a", Vectors.copyOf(QUERY), Ids.of(1));
      memory.replace("b", Vectors.copyOf(new float[] {1, 2}), Ids.of(1));
      Files.writeString(folder.resolve("memory=a.lake"), "no folder");
      var session = lake.session(folder);
      session.search(Target.of("memory", "a"), QUERY, 1);
      session.search(Target.of("memory", "b"), QUERY, 1);
      assertThrows(io.ruvector.RuVectorException.class, session::close);
      assertTrue(Files.exists(folder.resolve("memory=b.lake").resolve("index.rvx")));
    }
  }

  @Test
  void whatIsCachedIsComparedWithItsBackend() {
    var adapter = new ScriptedAdapter();
    adapter.put(1, 1, 1);
    Target words = Target.of("memory", "words");
    try (var memory = LocalBackend.create("memory");
        var lake = lake(memory)) {
      lake.registerBackend(adapter);
      memory.replace("words", Vectors.copyOf(QUERY), Ids.of(1));
      for (Target target : List.of(words, TARGET)) {
        assertFalse(lake.isCurrent(target));
        lake.setConsistency(target, Consistency.frozen());
        lake.search(target, QUERY, 1);
        assertTrue(lake.isCurrent(target));
      }
      memory.upsert("words", Vectors.copyOf(QUERY), Ids.of(2));
      adapter.put(2, 1, 1);
      long primes = lake.cacheStats().total().primes();
      for (Target target : List.of(words, TARGET)) {
        assertFalse(lake.isCurrent(target));
        assertEquals(1, lake.search(target, QUERY, 5).size());
      }
      assertEquals(primes, lake.cacheStats().total().primes());
      adapter.onGeneration =
          () -> {
            throw new IllegalStateException("down");
          };
      assertThrows(BackendException.class, () -> lake.isCurrent(TARGET));
      memory.drop("words");
      var e = assertThrows(LakeException.class, () -> lake.isCurrent(words));
      assertEquals(Code.UNKNOWN_COLLECTION, e.code());
      assertThrows(LakeException.class, () -> lake.isCurrent(Target.of("none", "c")));
    }
  }
}
