package io.ruvector.embed;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException.Code;
import io.ruvector.embed.HubServer.Fault;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The cache against a server that behaves, and misbehaves, as the hub does. */
class ModelCacheTest {
  private static final String REPOSITORY = "org/model";
  private static final List<String> FILES = List.of("onnx/model.onnx", "config.json");

  @TempDir Path folder;
  private HubServer hub;
  private byte[] model;
  private byte[] config;
  private ModelCache cache;

  @BeforeEach
  void start() throws IOException {
    Random random = Seed.random("ModelCacheTest");
    model = new byte[300_000 + random.nextInt(100_000)];
    random.nextBytes(model);
    config = new byte[random.nextInt(1_000)];
    random.nextBytes(config);
    hub = new HubServer();
    hub.put(REPOSITORY, "onnx/model.onnx", model);
    hub.put(REPOSITORY, "config.json", config);
    cache =
        ModelCache.of(Map.of("HF_HUB_DOWNLOAD_TIMEOUT", "2"), folder)
            .folder(folder)
            .endpoint(URI.create(hub.endpoint()));
  }

  @AfterEach
  void stop() {
    hub.close();
  }

  private Path resolve() {
    return cache.resolve(REPOSITORY, "main", FILES);
  }

  private void assertRight(Path snapshot) throws IOException {
    assertArrayEquals(model, Files.readAllBytes(snapshot.resolve("onnx/model.onnx")));
    assertArrayEquals(config, Files.readAllBytes(snapshot.resolve("config.json")));
  }

  private EmbedException assertFails() {
    EmbedException failure = assertThrows(EmbedException.class, this::resolve);
    assertEquals(Code.EMBED, failure.code());
    return failure;
  }

  private Path repository() {
    return folder.resolve("models--org--model");
  }

  private Path blob() {
    return repository().resolve("blobs").resolve(HubServer.sha256(model));
  }

  /** All files with the times they were written at, and where links lead to. */
  private Map<String, String> listing() throws IOException {
    Map<String, String> listing = new TreeMap<>();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path path : all.toList()) {
        listing.put(
            folder.relativize(path).toString(),
            Files.isSymbolicLink(path)
                ? Files.readSymbolicLink(path).toString()
                : Files.getLastModifiedTime(path).toString());
      }
    }
    return listing;
  }

  @Test
  void theLayoutIsThatOfThePythonClient() throws IOException {
    Path snapshot = resolve();
    assertRight(snapshot);
    assertEquals(repository().resolve("snapshots").resolve(HubServer.COMMIT), snapshot);
    Map<String, String> listing = listing();
    String at = "models--org--model/";
    assertEquals(
        "../../../blobs/" + HubServer.sha256(model),
        listing.get(at + "snapshots/" + HubServer.COMMIT + "/onnx/model.onnx"));
    assertEquals(
        "../../blobs/" + HubServer.git(config),
        listing.get(at + "snapshots/" + HubServer.COMMIT + "/config.json"));
    assertEquals(HubServer.COMMIT, Files.readString(repository().resolve("refs/main")));
    try (Stream<Path> blobs = Files.list(repository().resolve("blobs"))) {
      assertEquals(2, blobs.count());
    }
  }

  @Test
  void whatIsCachedCostsNeitherARequestNorAWrite() throws IOException {
    Path snapshot = resolve();
    hub.requests.clear();
    Map<String, String> before = listing();
    assertEquals(snapshot, resolve());
    assertEquals(snapshot, cache.resolve(REPOSITORY, HubServer.COMMIT, FILES));
    assertEquals(List.of(), hub.requests);
    assertEquals(before, listing());
  }

  @Test
  void progressEndsAtTheWholeFile() {
    List<String> told = new ArrayList<>();
    cache
        .onProgress((file, bytes, total) -> told.add(file + " " + bytes + "/" + total))
        .resolve(REPOSITORY, "main", FILES);
    assertTrue(told.contains("onnx/model.onnx 0/" + model.length), told.toString());
    assertTrue(told.contains("onnx/model.onnx " + model.length + "/" + model.length));
    assertEquals("config.json " + config.length + "/" + config.length, told.getLast());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
  void aDownloadThatIsCutGoesOnWhereItStopped(int tenths) throws IOException {
    var connections = new AtomicInteger();
    Fault cut = HubServer.cutAfter((int) ((long) model.length * tenths / 10));
    hub.fault =
        (exchange, content, from) ->
            content == model
                && connections.getAndIncrement() == 0
                && cut.answer(exchange, content, from);
    assertRight(resolve());
    // What was under way when the connection ended may be lost.
    assertTrue(
        tenths < 5 || hub.requests.stream().anyMatch(request -> request.contains("bytes=")),
        hub.requests.toString());
  }

  @Test
  void aDownloadThatIsCutAgainAndAgainComesToAnEnd() throws IOException {
    hub.fault = HubServer.cutAfter(model.length / 10);
    assertRight(resolve());
  }

  @Test
  void aDownloadThatIsCutForGoodIsLeftForTheNext() throws IOException {
    int half = model.length / 2;
    Fault cut =
        (exchange, content, from) ->
            content == model
                && HubServer.cutAfter(Math.max(0, half - from)).answer(exchange, content, from);
    hub.fault = cut;
    EmbedException failure = assertFails();
    assertTrue(failure.getMessage().contains("last of 5 tries"), failure.getMessage());
    assertFalse(Files.exists(blob()));
    hub.fault = Fault.NONE;
    hub.requests.clear();
    assertRight(resolve());
    assertTrue(
        hub.requests.stream().anyMatch(request -> request.endsWith("bytes=%d-".formatted(half))),
        hub.requests.toString());
  }

  @Test
  void aDownloadThatIsInterruptedIsLeftForTheNext() throws IOException {
    ModelCache interrupted =
        cache.onProgress(
            (file, bytes, total) -> {
              if (bytes > 0) {
                // More is there by then: a thread that need not wait is interrupted too.
                LockSupport.parkNanos(200_000_000);
                Thread.currentThread().interrupt();
              }
            });
    assertThrows(CancellationException.class, () -> interrupted.resolve(REPOSITORY, "main", FILES));
    assertTrue(Thread.interrupted());
    hub.requests.clear();
    assertRight(resolve());
    assertTrue(
        hub.requests.stream().anyMatch(request -> request.contains("bytes=")),
        hub.requests.toString());
    // In hashing what is there, too.
    Thread.currentThread().interrupt();
    assertThrows(CancellationException.class, this::resolve);
    assertTrue(Thread.interrupted());
  }

  @Test
  void aServerWithoutRangesStartsAgain() throws IOException {
    var connections = new AtomicInteger();
    hub.fault =
        (exchange, content, from) -> {
          if (content == model && connections.getAndIncrement() == 0) {
            return HubServer.cutAfter(model.length / 2).answer(exchange, content, from);
          }
          HubServer.start(exchange, content, 0).write(content);
          return true;
        };
    assertRight(resolve());
  }

  @Test
  void aServerThatFallsSilentIsAskedAgain() throws IOException {
    var connections = new AtomicInteger();
    hub.fault =
        (exchange, content, from) -> {
          if (content != model || connections.getAndIncrement() > 0) {
            return false;
          }
          var out = HubServer.start(exchange, content, from);
          out.write(content, from, 1_000);
          out.flush();
          try {
            Thread.sleep(60_000);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          return true;
        };
    assertRight(resolve());
  }

  @ParameterizedTest
  @ValueSource(ints = {-1_000, -1, 1, 1_000})
  void aFileOfAnotherLengthIsRefused(int difference) {
    hub.headers.put("X-Linked-Size", Integer.toString(model.length + difference));
    assertFails();
    assertFalse(Files.exists(blob()));
  }

  @Test
  void aFileOfAnotherHashIsRefused() throws IOException {
    hub.fault =
        (exchange, content, from) -> {
          byte[] other = content.clone();
          other[other.length / 2] ^= 1;
          HubServer.start(exchange, other, from).write(other, from, other.length - from);
          return true;
        };
    EmbedException failure = assertFails();
    assertTrue(failure.getMessage().contains(HubServer.sha256(model)), failure.getMessage());
    try (Stream<Path> blobs = Files.list(repository().resolve("blobs"))) {
      assertEquals(List.of(), blobs.toList());
    }
    hub.fault = Fault.NONE;
    assertRight(resolve());
  }

  @ParameterizedTest
  @ValueSource(strings = {"flip", "shorten", "empty", "delete"})
  void aDamagedBlobIsReplaced(String damage) throws IOException {
    resolve();
    switch (damage) {
      case "flip" -> {
        byte[] other = model.clone();
        other[Seed.random(damage).nextInt(other.length)] ^= 1;
        Files.write(blob(), other);
      }
      case "shorten" -> Files.write(blob(), java.util.Arrays.copyOf(model, model.length - 1));
      case "empty" -> Files.write(blob(), new byte[0]);
      default -> Files.delete(blob());
    }
    EmbedException failure =
        assertThrows(
            EmbedException.class, () -> cache.offline(true).resolve(REPOSITORY, "main", FILES));
    assertTrue(
        failure.getMessage().contains(damage.equals("delete") ? "missing" : "damaged"),
        failure.getMessage());
    assertRight(resolve());
    assertRight(cache.offline(true).resolve(REPOSITORY, "main", FILES));
  }

  @Test
  void whatAnEarlierDownloadLeftIsNotBelieved() throws IOException {
    Files.createDirectories(blob().getParent());
    byte[] garbage = new byte[model.length / 3];
    Files.write(blob().resolveSibling(blob().getFileName() + ".ruvector.incomplete"), garbage);
    assertRight(resolve());
    byte[] longer = new byte[model.length + 1];
    Files.delete(blob());
    Files.write(blob().resolveSibling(blob().getFileName() + ".ruvector.incomplete"), longer);
    assertRight(resolve());
  }

  @Test
  void oneDownloadServesAllThreads() throws IOException {
    hub.fault = slowly();
    List<CompletableFuture<Path>> resolving =
        Stream.generate(
                () -> CompletableFuture.supplyAsync(this::resolve, Thread::startVirtualThread))
            .limit(4)
            .toList();
    for (var future : resolving) {
      assertRight(future.join());
    }
    assertEquals(
        1, hub.requests.stream().filter(request -> request.startsWith("GET /store/")).count());
  }

  @Test
  void oneDownloadServesAllProcesses() throws Exception {
    hub.fault = slowly();
    List<Process> processes = List.of(child().start(), child().start());
    for (Process process : processes) {
      String out = new String(process.getInputStream().readAllBytes());
      assertEquals(0, process.waitFor(), out);
    }
    assertRight(resolve());
    assertEquals(
        1, hub.requests.stream().filter(request -> request.startsWith("GET /store/")).count());
  }

  private Fault slowly() {
    return (exchange, content, from) -> {
      var out = HubServer.start(exchange, content, from);
      try {
        for (int at = from; at < content.length; at += 20_000) {
          out.write(content, at, Math.min(20_000, content.length - at));
          Thread.sleep(20);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return true;
    };
  }

  /** Resolves in another process; its environment tells where and from whom. */
  private ProcessBuilder child(String... before) {
    List<String> command = new ArrayList<>(List.of(before));
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xmx64m", "-XX:-UsePerfData", "-cp"));
    command.add(System.getProperty("java.class.path"));
    command.add(Resolver.class.getName());
    var builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("HF_HUB_CACHE", folder.toString());
    builder.environment().put("HF_ENDPOINT", hub.endpoint() + "/");
    return builder;
  }

  /** The program of {@link #child}. */
  static final class Resolver {
    public static void main(String[] args) {
      try {
        System.out.println(ModelCache.ofEnvironment().resolve(REPOSITORY, "main", FILES));
      } catch (EmbedException e) {
        System.out.println("refused: " + e.getMessage());
        System.exit(3);
      }
    }
  }

  @Test
  void aFullDiskIsToldAndLeavesNothing() throws Exception {
    // Blocks of 512 bytes, or of 1,024: both are less than the model.
    Process process = child("sh", "-c", "ulimit -f 200; exec \"$@\"", "sh").start();
    String out = new String(process.getInputStream().readAllBytes());
    assertEquals(3, process.waitFor(), out);
    assertTrue(out.contains("refused: ") && out.contains("cannot be written"), out);
    try (Stream<Path> blobs = Files.list(repository().resolve("blobs"))) {
      assertEquals(List.of(), blobs.toList());
    }
    assertRight(resolve());
  }

  @Test
  void aFolderThatCannotBeWrittenIsTold() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    var unwritable = cache.folder(file.resolve("hub"));
    EmbedException failure =
        assertThrows(EmbedException.class, () -> unwritable.resolve(REPOSITORY, "main", FILES));
    assertTrue(failure.getMessage().contains(file.toString()), failure.getMessage());
  }

  @Test
  void offlineAsksNobody() throws IOException {
    EmbedException failure =
        assertThrows(
            EmbedException.class, () -> cache.offline(true).resolve(REPOSITORY, "main", FILES));
    assertTrue(failure.getMessage().contains("HF_HUB_OFFLINE"), failure.getMessage());
    assertEquals(List.of(), hub.requests);
    resolve();
    hub.requests.clear();
    assertRight(cache.offline(true).resolve(REPOSITORY, "main", FILES));
    assertEquals(List.of(), hub.requests);
  }

  @Test
  void aHubThatIsNotThereIsTold() {
    hub.close();
    EmbedException failure = assertFails();
    assertTrue(failure.getMessage().contains(hub.endpoint()), failure.getMessage());
  }

  @Test
  void theTokenStaysWithTheHub() {
    cache.token("hf_secret").resolve(REPOSITORY, "main", FILES);
    assertTrue(hub.tokens.contains("127.0.0.1 null"), hub.tokens.toString());
    assertTrue(hub.tokens.contains("localhost Bearer hf_secret"));
    assertTrue(
        hub.tokens.stream().noneMatch(t -> t.startsWith("localhost null")), hub.tokens.toString());
    assertTrue(hub.tokens.stream().noneMatch(t -> t.startsWith("127.0.0.1 Bearer")));
  }

  @ParameterizedTest
  @CsvSource(
      ignoreLeadingAndTrailingWhitespace = false,
      value = {"' hf_secret\n',Bearer hf_secret", "'\n',null", "'',null"})
  void aTokenOfTheEnvironmentIsTakenWithoutSpace(String token, String sent) {
    ModelCache.of(Map.of("HF_TOKEN", token), folder)
        .folder(folder)
        .endpoint(URI.create(hub.endpoint()))
        .resolve(REPOSITORY, "main", List.of("config.json"));
    assertTrue(hub.tokens.stream().allMatch(("localhost " + sent)::equals), hub.tokens.toString());
  }

  @Test
  void aBusyHubIsAskedAgain() throws IOException {
    hub.statuses.addAll(List.of(503, 429, 500));
    assertRight(resolve());
  }

  @ParameterizedTest
  @CsvSource({"401, HF_TOKEN", "403, HF_TOKEN", "404, no such", "410, status 410"})
  void whatTheHubRefusesIsTold(int status, String message) {
    hub.statuses.add(status);
    EmbedException failure = assertFails();
    assertTrue(failure.getMessage().contains(message), failure.getMessage());
  }

  @Test
  void aSignatureIsNotTold() {
    hub.fault =
        (exchange, content, from) -> {
          exchange.sendResponseHeaders(403, -1);
          return true;
        };
    assertFalse(assertFails().getMessage().contains("secret"));
  }

  @ParameterizedTest
  @CsvSource({
    "X-Linked-Etag, ../../../../etc/passwd",
    "X-Linked-Etag, ABC",
    "X-Repo-Commit, ../..",
    "X-Repo-Commit, main",
    "X-Linked-Size, -1",
    "X-Linked-Size, 99999999999999999999",
    "Location, file:///etc/passwd",
    "Location, http://a b/c",
    "Location, http:///c",
    "Location, http:c",
  })
  void anAnswerThatIsNotAHubsIsRefused(String header, String value) {
    hub.headers.put(header, value);
    assertFails();
    assertFalse(Files.exists(blob()));
  }

  @Test
  void endlessRedirectsAreRefused() {
    hub.headers.put("Location", "/org/model/resolve/main/onnx/model.onnx");
    assertTrue(assertFails().getMessage().contains("redirects"));
  }

  @Test
  void aFileWithAnotherHashThanItsPinIsRefused() {
    hub.put("sentence-transformers/all-MiniLM-L6-v2", "onnx/model.onnx", model);
    EmbedException failure =
        assertThrows(EmbedException.class, () -> cache.resolve("all-MiniLM-L6-v2"));
    assertTrue(
        failure.getMessage().contains(HubServer.sha256(model))
            && failure.getMessage().contains("759c3cd2b7fe"),
        failure.getMessage());
    assertTrue(hub.requests.stream().noneMatch(r -> r.startsWith("GET")), "it is not downloaded");
  }

  /** Also where another program has cached what a lying hub gave it, under the hash of git. */
  @Test
  void aBlobWithAnotherHashThanItsPinIsRefused() throws IOException {
    Pretrained known = Pretrained.of("all-MiniLM-L6-v2");
    Path root = folder.resolve("models--sentence-transformers--all-MiniLM-L6-v2");
    Path graph = Models.miniLm().resolve("onnx/model.onnx").toAbsolutePath();
    Path blobs = Files.createDirectories(root.resolve("blobs"));
    Path cached = blobs.resolve(ContentHash.sha256(graph));
    Files.createSymbolicLink(cached, graph);
    Path snapshot = root.resolve("snapshots").resolve(known.revision()).resolve("onnx");
    Files.createSymbolicLink(Files.createDirectories(snapshot).resolve("model.onnx"), cached);
    Files.write(blobs.resolve(HubServer.git(config)), config);
    hub.put(known.repository(), "tokenizer.json", config);
    EmbedException failure =
        assertThrows(EmbedException.class, () -> cache.resolve("all-MiniLM-L6-v2"));
    assertTrue(
        failure.getMessage().contains(HubServer.sha256(config))
            && failure.getMessage().contains("be50c3628f2b"),
        failure.getMessage());
    assertTrue(hub.requests.stream().noneMatch(r -> r.startsWith("GET")), "it is not downloaded");
  }

  @Test
  void aModelWithoutAPinKeepsTheHashOfItsFirstDownload() throws IOException {
    String repository = "onnx-community/mobilenetv3_small_100.lamb_in1k";
    hub.put(repository, "onnx/model.onnx", model);
    Path snapshot = cache.resolve("mobilenetv3-small");
    hub.put(repository, "onnx/model.onnx", new byte[50_000]);
    assertEquals(snapshot, cache.resolve("mobilenetv3-small"));
    assertArrayEquals(model, Files.readAllBytes(snapshot.resolve("onnx/model.onnx")));
  }

  @Test
  void everyNameHasAModel() {
    assertEquals(
        List.of("all-MiniLM-L6-v2", "bge-small-en-v1.5", "mobilenetv3-small", "efficientnet-lite0"),
        ModelCache.names());
    EmbedException failure = assertThrows(EmbedException.class, () -> cache.resolve("other"));
    assertTrue(failure.getMessage().contains("bge-small-en-v1.5"), failure.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"../x", "/etc/passwd", "a/../b", "", "a//b", "a\\b", "c:x"})
  void namesThatLeaveTheCacheAreRefused(String name) {
    assertThrows(
        IllegalArgumentException.class, () -> cache.resolve(REPOSITORY, "main", List.of(name)));
    assertThrows(
        IllegalArgumentException.class, () -> cache.resolve(REPOSITORY, name, List.of("config")));
    assertThrows(
        IllegalArgumentException.class, () -> cache.resolve(name + "/x/y", "main", List.of("c")));
  }

  @Test
  void theEnvironmentNamesTheFolder() {
    Path home = Path.of("/home/user");
    assertEquals("/home/user/.cache/huggingface/hub", at(Map.of(), home));
    assertEquals("/x/huggingface/hub", at(Map.of("XDG_CACHE_HOME", "/x"), home));
    assertEquals("/h/hub", at(Map.of("HF_HOME", "/h", "XDG_CACHE_HOME", "/x"), home));
    assertEquals("/c", at(Map.of("HF_HUB_CACHE", "/c", "HF_HOME", "/h"), home));
    assertEquals("/home/user/c", at(Map.of("HF_HUB_CACHE", "~/c"), home));
    assertEquals("/home/user/.cache/huggingface/hub", at(Map.of("HF_HOME", ""), home));
  }

  private static String at(Map<String, String> environment, Path home) {
    return ModelCache.of(environment, home).folder().toString();
  }

  @ParameterizedTest
  @CsvSource({
    "HF_ENDPOINT, ftp://hub.example",
    "HF_ENDPOINT, hub.example",
    "HF_ENDPOINT, http://a b",
    "HF_HUB_DOWNLOAD_TIMEOUT, soon",
    "HF_HUB_DOWNLOAD_TIMEOUT, 0"
  })
  void aVariableThatMakesNoSenseIsTold(String name, String value) {
    EmbedException failure =
        assertThrows(EmbedException.class, () -> ModelCache.of(Map.of(name, value), folder));
    assertTrue(
        failure.getMessage().contains(name) && failure.getMessage().contains(value),
        failure.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"1", "true", "YES", "on"})
  void theEnvironmentForbidsTheNetwork(String value) {
    var environment =
        Map.of(
            "HF_HUB_OFFLINE", value, "HF_ENDPOINT", hub.endpoint(), "HF_HUB_CACHE", folder + "/c");
    assertThrows(
        EmbedException.class,
        () -> ModelCache.of(environment, folder).resolve(REPOSITORY, "main", FILES));
    assertEquals(List.of(), hub.requests);
  }
}
