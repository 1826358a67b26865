package io.ruvector.bench;

import io.a2a.A2A;
import io.a2a.client.Client;
import io.a2a.client.TaskUpdateEvent;
import io.a2a.client.transport.jsonrpc.JSONRPCTransport;
import io.a2a.client.transport.jsonrpc.JSONRPCTransportConfig;
import io.a2a.spec.Message;
import io.a2a.spec.TaskStatusUpdateEvent;
import io.a2a.spec.TextPart;
import io.ruvector.a2a.A2aClient;
import io.ruvector.a2a.TaskSpec;
import io.ruvector.a2a.TaskStream;
import io.ruvector.a2a.TaskUpdate;
import io.ruvector.a2a.Trust;
import io.ruvector.index.Ids;
import io.ruvector.index.SearchRequest;
import io.ruvector.index.VectorBuffer;
import io.ruvector.lake.LocalBackend;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Streams of 1,000 updates: {@code java -cp benchmarks.jar io.ruvector.bench.AgentStreams
 * RVAGENT-SERVER [PYTHON SERVER.PY]}, with the programs of testing/. Gate G2, a stream beside two
 * workloads of searches in a lake over the slowest of the three alone; a stream over curl's, and
 * with the second server over that of the official SDK 0.3.3; 200 streams at once, in a JVM of 64
 * MiB. All in turns, with the least and the most of them.
 */
public final class AgentStreams {
  private static final int UPDATES = 1_000;
  private static final int TURNS = 15;
  private static final int WARM_UP = 3;
  private static final int COMPILED = 40;
  private static final int STREAMS = 200;
  private static final int PACE_OF_MANY_MICROS = 10_000;
  private static final Target NUMBERS = Target.of("memory", "numbers");

  private static final AtomicInteger TASKS = new AtomicInteger();

  private AgentStreams() {}

  /** A server in a process of its own, which ends with its stdin. */
  private record Server(Process process, URI uri, String identity) implements AutoCloseable {
    static Server start(String... command) throws IOException {
      Process process =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
      String[] line = process.inputReader(StandardCharsets.UTF_8).readLine().split(" ", 2);
      return new Server(process, URI.create(line[0]), line[1]);
    }

    @Override
    public void close() throws IOException {
      process.getOutputStream().close();
    }
  }

  /** Something that is measured: how many seconds it took. */
  private interface Timed {
    double seconds() throws Exception;
  }

  private static double since(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  public static void main(String[] args) throws Exception {
    if (args[0].equals("many")) {
      many(URI.create(args[1]), args[2]);
      return;
    }
    try (var server = Server.start(args[0], "bench");
        var agent = A2aClient.connect(server.uri(), Trust.pinned(server.identity()))) {
      for (int i = 0; i < COMPILED; i++) {
        double _ = follow(agent, spec(100));
      }
      gate(agent);
      System.out.printf("%n| server | pace | client | ms | over curl |%n|---|---|---|---|---|%n");
      for (int micros : new int[] {1_000, 100}) {
        Map<String, Timed> clients = new LinkedHashMap<>();
        clients.put("curl", () -> curlBesideSend(server.uri(), micros));
        clients.put("ruvector", () -> follow(agent, spec(micros)));
        compare("rvagent-a2a | %d us".formatted(micros), clients);
      }
      if (args.length > 1) {
        standard(args[1], args[2]);
      }
      inSmallHeap(server);
    }
  }

  private static TaskSpec spec(int paceMicros) {
    return TaskSpec.of("stream", "go")
        .id("t" + TASKS.incrementAndGet())
        .metadata(Map.of("n", UPDATES, "delay_us", paceMicros, "delay_ms", 0, "chunks", 0));
  }

  /** Follows a task to its end; every update must come. */
  private static double follow(A2aClient agent, TaskSpec spec) {
    long start = System.nanoTime();
    long received = 0;
    try (TaskStream updates = agent.stream(spec)) {
      for (TaskUpdate update : updates) {
        received += update instanceof TaskUpdate.Gap gap ? gap.lost() : 1;
      }
    }
    checkAll(received);
    return since(start);
  }

  private static void checkAll(long received) {
    // Some servers tell first that the task is there.
    if (received != UPDATES + 1 && received != UPDATES + 2) {
      throw new IllegalStateException(received + " updates of " + (UPDATES + 1));
    }
  }

  private static void gate(A2aClient agent) throws Exception {
    try (VectorBuffer buffer = new Clustered().rows(Clustered.ROWS);
        var memory = LocalBackend.create("memory");
        var lake = RuLake.builder().build();
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      memory.replace("numbers", buffer.asVectors(), Ids.from(0));
      lake.registerBackend(memory);
      float[][] queries = new Clustered().queries(500);
      double _ = search(lake, queries, 10_000);
      // As many as take about as long as the stream.
      int n = (int) (5_000 / search(lake, queries, 5_000));
      List<Callable<Double>> calls =
          List.of(
              () -> follow(agent, spec(1_000)),
              () -> search(lake, queries, n),
              () -> search(lake, queries, n));
      Map<String, double[]> seconds = new LinkedHashMap<>();
      for (int turn = -WARM_UP; turn < TURNS; turn++) {
        int row = Math.max(turn, 0);
        double stream = put(seconds, "stream alone", row, together(threads, calls.subList(0, 1)));
        double one = put(seconds, "searches alone", row, together(threads, calls.subList(1, 2)));
        double other = put(seconds, "others alone", row, together(threads, calls.subList(2, 3)));
        double both = put(seconds, "both searches", row, together(threads, calls.subList(1, 3)));
        double all = put(seconds, "all three", row, together(threads, calls));
        double slowest = Math.max(stream, Math.max(one, other));
        double _ = put(seconds, "all three over the slowest alone", row, all / slowest);
        double _ = put(seconds, "both searches over the slowest alone", row, both / slowest);
      }
      System.out.printf(
          "| %,d updates, one each ms, beside %,d searches and as many others | s |%n|---|---|%n",
          UPDATES, n);
      seconds.forEach((what, of) -> System.out.printf("| %s | %s |%n", what, spread(of, "%.3f")));
    }
  }

  private static double put(Map<String, double[]> rows, String what, int turn, double value) {
    rows.computeIfAbsent(what, name -> new double[TURNS])[turn] = value;
    return value;
  }

  private static double together(ExecutorService threads, List<Callable<Double>> calls)
      throws Exception {
    long start = System.nanoTime();
    for (Future<Double> one : threads.invokeAll(calls)) {
      double _ = one.get();
    }
    return since(start);
  }

  private static double search(RuLake lake, float[][] queries, int n) {
    long start = System.nanoTime();
    for (int i = 0; i < n; i++) {
      var request = SearchRequest.of(queries[i % queries.length]).k(10);
      if (lake.searchAsync(NUMBERS, request).join().hits().size() != 10) {
        throw new IllegalStateException("fewer hits than 10");
      }
    }
    return since(start);
  }

  private static String spread(double[] values, String format) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return (format + " (" + format + "-" + format + ")")
        .formatted(FreshOpen.median(values), sorted[0], sorted[sorted.length - 1]);
  }

  /** Prints a row for each client, the first of which is the one that all are compared with. */
  private static void compare(String what, Map<String, Timed> clients) throws Exception {
    Map<String, double[]> measured = new LinkedHashMap<>();
    for (int turn = -WARM_UP; turn < TURNS; turn++) {
      for (var client : clients.entrySet()) {
        double millis = 1e3 * client.getValue().seconds();
        double[] times = measured.computeIfAbsent(client.getKey(), name -> new double[TURNS]);
        times[Math.max(turn, 0)] = millis;
      }
    }
    double[] base = measured.values().iterator().next();
    measured.forEach(
        (name, times) -> {
          double[] ratios = new double[TURNS];
          Arrays.setAll(ratios, i -> times[i] / base[i]);
          System.out.printf(
              "| %s | %s | %s | %s |%n",
              what, name, spread(times, "%.1f"), spread(ratios, "%.3f"));
        });
  }

  /** From the sending of the task, curl being connected already, to the final update. */
  private static double curlBesideSend(URI uri, int paceMicros) throws Exception {
    TaskSpec spec = spec(paceMicros);
    // It tells at once of headers only here; those that it puts out wait for the first update.
    Process curl =
        new ProcessBuilder("curl", "-sSNv", uri + "/tasks/sendSubscribe?id=" + spec.id())
            .redirectErrorStream(true)
            .start();
    String task =
        """
        {"jsonrpc":"2.0","id":"1","method":"tasks/send","params":{"id":"%s","skill":"stream",
         "message":{"role":"user","parts":[{"type":"text","text":"go"}]},
         "context":{"trace_id":"1","parent_span_id":"1","root_agent_id":"%s","depth":0,"visited_agents":[]},
         "metadata":{"n":%d,"delay_us":%d,"chunks":0}}}"""
            .formatted(spec.id(), "0".repeat(64), UPDATES, paceMicros);
    try (HttpClient http = HttpClient.newHttpClient();
        BufferedReader lines = curl.inputReader(StandardCharsets.UTF_8)) {
      String header = lines.readLine();
      while (!header.isBlank() && !header.strip().equals("<")) {
        header = lines.readLine();
      }
      long start = System.nanoTime();
      var _ =
          http.sendAsync(
              HttpRequest.newBuilder(uri)
                  .header("Content-Type", "application/json")
                  .POST(HttpRequest.BodyPublishers.ofString(task))
                  .build(),
              HttpResponse.BodyHandlers.ofString());
      long received = 0;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        received += line.startsWith("data:") ? 1 : 0;
        if (line.contains("\"final\":true")) {
          break;
        }
      }
      double seconds = since(start);
      checkAll(received);
      return seconds;
    } finally {
      curl.destroy();
    }
  }

  private static void standard(String python, String script) throws Exception {
    try (var server = Server.start(python, script, "ES256", "0.3");
        var agent = A2aClient.connect(server.uri(), Trust.pinnedJwks(server.identity()))) {
      Map<String, Timed> clients = new LinkedHashMap<>();
      clients.put("curl", () -> curl(server.uri()));
      clients.put("ruvector", () -> follow(agent, spec(0)));
      clients.put("a2a-java-sdk 0.3.3", () -> sdk(server.uri()));
      compare("a2a-sdk, 0.3 | none", clients);
    }
  }

  private static double curl(URI uri) throws Exception {
    String call =
        """
        {"jsonrpc":"2.0","id":"1","method":"message/stream","params":{"message":{"kind":"message","role":"user",
         "messageId":"m%d","parts":[{"kind":"text","text":"go"}],"metadata":{"skill":"stream"}},
         "metadata":{"n":%d,"chunks":0}}}"""
            .formatted(TASKS.incrementAndGet(), UPDATES);
    Process curl =
        new ProcessBuilder(
                List.of(
                    "curl", "-sSN", "-H", "Content-Type: application/json", "-H",
                    "A2A-Version: 0.3", "-w", "\n%{time_total}", "--data", call, uri.toString()))
            .start();
    long received = 0;
    String last = "";
    try (BufferedReader lines = curl.inputReader(StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        received += line.startsWith("data:") ? 1 : 0;
        last = line;
      }
    }
    checkAll(received);
    return Double.parseDouble(last);
  }

  private static double sdk(URI uri) throws Exception {
    var done = new CompletableFuture<Void>();
    var received = new AtomicInteger();
    Client client =
        Client.builder(A2A.getAgentCard(uri.toString()))
            .withTransport(JSONRPCTransport.class, new JSONRPCTransportConfig())
            .addConsumer(
                (event, card) -> {
                  received.incrementAndGet();
                  if (event instanceof TaskUpdateEvent update
                      && update.getUpdateEvent() instanceof TaskStatusUpdateEvent status
                      && status.isFinal()) {
                    done.complete(null);
                  }
                })
            .streamingErrorHandler(done::completeExceptionally)
            .build();
    try {
      Message message =
          new Message.Builder()
              .role(Message.Role.USER)
              .messageId("m" + TASKS.incrementAndGet())
              .parts(new TextPart("go"))
              .metadata(Map.of("skill", "stream"))
              .build();
      long start = System.nanoTime();
      client.sendMessage(message, null, Map.of("n", UPDATES, "chunks", 0), null);
      done.join();
      double seconds = since(start);
      checkAll(received.get());
      return seconds;
    } finally {
      client.close();
    }
  }

  private static void inSmallHeap(Server server) throws Exception {
    var child =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx64m",
            "-cp",
            System.getProperty("java.class.path"),
            AgentStreams.class.getName(),
            "many",
            server.uri().toString(),
            server.identity());
    System.out.println();
    System.out.flush();
    if (child.inheritIO().start().waitFor() != 0) {
      throw new IllegalStateException("200 streams failed");
    }
  }

  private static void many(URI uri, String agentId) throws Exception {
    try (var agent = A2aClient.connect(uri, Trust.pinned(agentId));
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      double _ = follow(agent, spec(0));
      long before = live();
      long start = System.nanoTime();
      List<Future<Double>> streams = new ArrayList<>();
      for (int i = 0; i < STREAMS; i++) {
        streams.add(threads.submit(() -> follow(agent, spec(PACE_OF_MANY_MICROS))));
      }
      long most = before;
      while (!streams.stream().allMatch(Future::isDone)) {
        Thread.sleep(1_000);
        most = Math.max(most, live());
      }
      for (Future<Double> stream : streams) {
        double _ = stream.get();
      }
      System.out.printf(
          "%d streams at once, an update each %d ms: %,d updates, all counted, in %.1f s; heap limited to 64 MiB, %.1f MiB"
              + " of it live, %.1f before%n",
          STREAMS,
          PACE_OF_MANY_MICROS / 1_000,
          STREAMS * (UPDATES + 1),
          since(start),
          most / 1048576.0,
          before / 1048576.0);
    }
  }

  private static long live() {
    System.gc();
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
  }
}
