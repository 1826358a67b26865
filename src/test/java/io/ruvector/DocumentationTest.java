package io.ruvector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.embed.Models;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the documentation shows compiles, and the tutorials print what they say. */
class DocumentationTest {
  private static final Path TUTORIALS = Path.of("tutorials");

  @TempDir Path folder;

  private void compile(Map<String, String> sources) throws IOException {
    List<String> arguments = new ArrayList<>();
    arguments.addAll(List.of("-d", folder.toString()));
    arguments.addAll(List.of("-cp", System.getProperty("java.class.path")));
    for (var source : sources.entrySet()) {
      Path file = folder.resolve(source.getKey() + ".java");
      arguments.add(Files.writeString(file, source.getValue()).toString());
    }
    var messages = new StringWriter();
    var writer = new PrintWriter(messages);
    int status =
        ToolProvider.findFirst("javac")
            .orElseThrow()
            .run(writer, writer, arguments.toArray(String[]::new));
    assertEquals(0, status, messages::toString);
  }

  @Test
  void snippetsCompile() throws IOException {
    Pattern pattern =
        Pattern.compile(
            "\\{@snippet lang=java :\\n(.*?)\\n \\* \\}\\n(?! \\* \\})", Pattern.DOTALL);
    Map<String, String> sources = new TreeMap<>();
    try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
      for (Path file :
          (Iterable<Path>) files.filter(f -> f.toString().endsWith(".java"))::iterator) {
        Matcher snippet = pattern.matcher(Files.readString(file));
        while (snippet.find()) {
          String code = snippet.group(1).replaceAll("(?m)^ *\\* ?", "");
          // A snippet that makes its own index must not meet another of that name.
          String index = code.contains("var index =") ? "" : ", VectorIndex index";
          String embedder = code.contains("var embedder =") ? "" : ", Embedder embedder";
          int n = sources.size();
          sources.put("Snippet" + n, snippetClass(n, index + embedder, code));
        }
      }
    }
    assertTrue(sources.size() >= 2, "snippets were not found");
    compile(sources);
  }

  /** The names that snippets use without declaring them are its parameters. */
  private static String snippetClass(int n, String handles, String code) {
    String parameters =
        "float[][] rows, float[] query, List<String> corpus, String agentId" + handles;
    return """
        import io.ruvector.*;
        import io.ruvector.a2a.*;
        import io.ruvector.embed.*;
        import io.ruvector.index.*;
        import io.ruvector.lake.*;
        import java.net.URI;
        import java.nio.file.Path;
        import java.time.Duration;
        import java.util.List;
        class Snippet%d {
          void run(%s) throws Exception {
        %s
          }
        }
        """
        .formatted(n, parameters, code);
  }

  @ParameterizedTest
  @CsvSource({
    "1-hello-vectors.md, HelloVectors, false",
    "2-warm-restart.md, WarmRestart, false",
    "3-text-to-search.md, TextToSearch, true",
    "4-multi-agent-dispatch.md, MultiAgentDispatch, false"
  })
  void tutorials(String file, String name, boolean takesModel) throws Exception {
    String program = Files.readString(TUTORIALS.resolve(name + ".java"));
    String text = Files.readString(TUTORIALS.resolve(file));
    compile(Map.of(name, program));
    var printed = new ByteArrayOutputStream();
    PrintStream out = System.out;
    try (var loader =
        new URLClassLoader(
            new java.net.URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      String[] arguments = takesModel ? new String[] {Models.miniLm().toString()} : new String[0];
      loader.loadClass(name).getMethod("main", String[].class).invoke(null, (Object) arguments);
    } finally {
      System.setOut(out);
    }
    Matcher expected =
        Pattern.compile("It prints\\n\\n```\\n(.*?)```", Pattern.DOTALL).matcher(text);
    assertTrue(expected.find());
    assertEquals(expected.group(1), printed.toString(StandardCharsets.UTF_8).replace("\r\n", "\n"));

    // What the text shows of the program is in the program.
    String flat = program.replaceAll("\\s+", " ");
    Matcher shown = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL).matcher(text);
    int n = 0;
    while (shown.find()) {
      String part = shown.group(1).strip().replaceAll("\\s+", " ");
      assertTrue(flat.contains(part), part);
      n++;
    }
    assertTrue(n >= 5);
  }
}
