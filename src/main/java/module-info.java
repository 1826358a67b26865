/**
 * Vector search by RaBitQ codes: indexes over a Rust core, reached through the Foreign Function and
 * Memory API.
 *
 * <p>Run with {@code --enable-native-access=io.ruvector} on the module path, or with {@code
 * --enable-native-access=ALL-UNNAMED} on the class path.
 */
module io.ruvector {
  requires com.fasterxml.jackson.core;
  requires java.net.http;
  requires org.slf4j;
  requires static com.microsoft.onnxruntime;
  requires static info.picocli;
  requires static java.desktop;
  requires static org.jspecify;

  exports io.ruvector;
  exports io.ruvector.a2a;
  exports io.ruvector.embed;
  exports io.ruvector.index;
  exports io.ruvector.lake;
}
