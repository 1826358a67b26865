package io.ruvector.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException;
import io.ruvector.RuVectorException.Code;
import io.ruvector.internal.NativeLibrary;
import io.ruvector.internal.Panics;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** A fault of the native code is an exception, and an index that it struck in a change is lost. */
class PanicTest {
  private static final float[] QUERY = {1, 2, 3};

  private static RabitqPlusIndex index() {
    return RabitqPlusIndex.build(Vectors.copyOf(QUERY), IndexOptions.defaults());
  }

  /** Often enough to run in compiled code. */
  @Test
  void aPanicOutsideAChangeLeavesTheIndexUsable() {
    try (var index = index()) {
      for (int i = 0; i < 12_000; i++) {
        var e =
            assertThrows(RuVectorException.class, () -> Panics.panic(index.nativeIndex(), false));
        assertEquals(Code.PANIC, e.code());
        assertTrue(e.getMessage().contains("asked for"), e.getMessage());
      }
      assertEquals(0, index.search(QUERY, 1).ids()[0]);
    }
  }

  @Test
  void aPanicInsideAChangePoisonsTheIndex() {
    long before = NativeLibrary.liveHandles();
    try (var index = index();
        var healthy = index()) {
      var panic =
          assertThrows(RuVectorException.class, () -> Panics.panic(index.nativeIndex(), true));
      assertEquals(Code.PANIC, panic.code());
      List<Executable> uses =
          List.of(
              () -> index.search(QUERY, 1),
              () -> index.add(7, QUERY),
              () -> index.remove(0),
              index::size,
              () -> index.get(0),
              index::iterator,
              () -> index.save(java.nio.file.Path.of("never written")),
              () -> index.searchBatch(Vectors.copyOf(QUERY), SearchRequest.template()));
      for (Executable use : uses) {
        var e = assertThrows(RuVectorException.class, use);
        assertEquals(Code.POISONED, e.code());
      }
      assertTrue(index.toString().startsWith("RabitqPlusIndex["), index::toString);
      assertEquals(0, healthy.search(QUERY, 1).ids()[0]);
    }
    assertEquals(before, NativeLibrary.liveHandles());
  }
}
