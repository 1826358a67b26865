package io.ruvector.lifetime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;

import io.ruvector.RuVector;
import io.ruvector.internal.NativeLibrary;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The library in two class loaders of one process, as in a servlet container. */
class ClassLoadersTest {
  private static URLClassLoader loader() throws MalformedURLException {
    List<URL> urls = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(java.io.File.pathSeparator)) {
      urls.add(Path.of(entry).toUri().toURL());
    }
    return new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
  }

  /** Runs in each class loader: an index of its own, made, searched and closed. */
  public static final class Use implements Runnable {
    @Override
    public void run() {
      try (var index =
          io.ruvector.index.FlatF32Index.create(2, io.ruvector.index.IndexOptions.defaults())) {
        index.add(5, new float[] {1, 2});
        assertEquals(5, index.search(new float[] {1, 2}, 1).ids()[0]);
      }
    }
  }

  @Test
  void eachHasItsOwnClassesAndOneLibrary() throws IOException, ReflectiveOperationException {
    long before = NativeLibrary.liveHandles();
    try (var one = loader();
        var two = loader()) {
      for (var loader : List.of(one, two)) {
        Class<?> use = loader.loadClass(Use.class.getName());
        assertNotSame(Use.class, use);
        ((Runnable) use.getConstructor().newInstance()).run();
        assertEquals(
            RuVector.version(),
            loader.loadClass(RuVector.class.getName()).getMethod("version").invoke(null));
      }
    }
    assertEquals(before, NativeLibrary.liveHandles());
  }
}
