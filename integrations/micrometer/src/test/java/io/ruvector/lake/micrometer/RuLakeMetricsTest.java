package io.ruvector.lake.micrometer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.lake.LocalBackend;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import org.junit.jupiter.api.Test;

class RuLakeMetricsTest {
  private static double count(SimpleMeterRegistry registry, String name, String... tags) {
    return registry.get("ruvector.lake." + name).tags(tags).functionCounter().count();
  }

  @Test
  void metersFollowTheCache() {
    var registry = new SimpleMeterRegistry();
    try (var memory = LocalBackend.create("memory");
        var lake = RuLake.builder().build()) {
      lake.registerBackend(memory);
      Target words = Target.of("memory", "words");
      RuLakeMetrics.of(lake, Tag.of("lake", "main")).bindTo(registry);
      RuLakeMetrics.of(lake, words, Tag.of("lake", "one")).bindTo(registry);
      for (String name : new String[] {"words", "other"}) {
        memory.replace(name, Vectors.copyOf(new float[] {1, name.length()}), Ids.of(7));
        for (int i = 0; i < 3; i++) {
          lake.search(Target.of("memory", name), new float[] {1, 2}, 1);
        }
      }
      assertEquals(4, count(registry, "searches", "lake", "main", "result", "hit"));
      assertEquals(2, count(registry, "searches", "lake", "main", "result", "miss"));
      assertEquals(2, count(registry, "searches", "collection", "words", "result", "hit"));
      assertEquals(2, count(registry, "primes", "lake", "main"));
      assertEquals(1, count(registry, "primes", "backend", "memory"));
      assertEquals(2, registry.get("ruvector.lake.entries").tag("lake", "main").gauge().value());
      assertTrue(registry.get("ruvector.lake.bytes").tag("lake", "one").gauge().value() > 0);
      assertTrue(registry.get("ruvector.lake.prime.time").tag("lake", "one").gauge().value() > 0);
    }
  }
}
