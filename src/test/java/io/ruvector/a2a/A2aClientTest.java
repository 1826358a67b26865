package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.a2a.ScriptedServer.Request;
import java.io.OutputStream;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
@SuppressWarnings("try") // what closing does is what some of these are about
class A2aClientTest {
  private static final TaskSpec HELLO = TaskSpec.of("echo", "hello").id("t1");
  private static final String DONE =
      "{\"id\":\"t1\",\"status\":{\"state\":\"completed\",\"timestamp\":\"2026-11-23T14:26:53Z\"}}";

  private static String status(int i, boolean isFinal) {
    return """
    event: status
    data: {"id":"t1","status":{"state":"%s","timestamp":"2026-11-23T14:26:%02dZ"},"final":%s}

    """
        .formatted(isFinal ? "completed" : "working", i, isFinal);
  }

  /** The methods called, in their order. */
  private static List<String> calls(ScriptedServer server) {
    return server.requests().stream()
        .map(Request::body)
        .filter(body -> !body.isEmpty())
        .map(body -> body.replaceFirst("(?s).*\"method\":\"([^\"]*)\".*", "$1"))
        .toList();
  }

  private static ScriptedServer done() {
    return Recorded.server((request, out) -> ScriptedServer.result(out, request, DONE));
  }

  @Test
  void nothingIsSentToWhomIsNotTrusted() {
    try (var server = done()) {
      assertThrows(
          CardSignatureInvalidException.class,
          () -> A2aClient.connect(server.uri(), Trust.pinned("0".repeat(64))));
      assertEquals(List.of(), calls(server));
      assertEquals(2, server.requests().size());
    }
  }

  @Test
  void whereNoAgentIs() {
    try (var server =
        new ScriptedServer((request, out) -> ScriptedServer.status(out, 404, "", ""))) {
      assertThrows(
          TransportException.class, () -> A2aClient.connect(server.uri(), Trust.anySigned()));
      server.close();
      assertThrows(
          TransportException.class, () -> A2aClient.connect(server.uri(), Trust.anySigned()));
    }
    for (String bad : List.of("ftp://a", "http:/a", "peer.example", "file:/etc/passwd")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> A2aClient.connect(URI.create(bad), Trust.anySigned()),
          bad);
    }
  }

  /** A server that does not answer, and one that does not accept. */
  @Test
  void timeouts() {
    A2aOptions options =
        A2aOptions.defaults()
            .requestTimeout(Duration.ofMillis(300))
            .sendTimeout(Duration.ofMillis(300));
    try (var silent = new ScriptedServer((request, out) -> ScriptedServer.hold())) {
      assertThrows(
          TransportException.class,
          () -> A2aClient.connect(silent.uri(), Trust.anySigned(), options));
    }
    try (var silent = Recorded.server((request, out) -> ScriptedServer.hold());
        var agent = Recorded.connect(silent, options.requestTimeout(Duration.ofSeconds(20)))) {
      assertThrows(TransportException.class, () -> agent.send(HELLO));
    }
    // Half of an answer is none.
    try (var slow =
            Recorded.server(
                (request, out) -> {
                  ScriptedServer.write(
                      out, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{");
                  ScriptedServer.hold();
                });
        var agent = Recorded.connect(slow, options.requestTimeout(Duration.ofSeconds(20)))) {
      assertThrows(TransportException.class, () -> agent.send(HELLO));
    }
  }

  @Test
  void redirectsStayWithinTheOrigin() {
    try (var elsewhere = done()) {
      var hops = new AtomicInteger();
      for (String target :
          List.of(elsewhere.uri() + "/x", "//evil.example/", "file:///etc/passwd", "ht tp")) {
        try (var server =
            new ScriptedServer(
                (request, out) ->
                    ScriptedServer.status(out, 302, "location: " + target + "\r\n", ""))) {
          A2aOptions options = A2aOptions.defaults().bearerToken("secret");
          assertThrows(
              TransportException.class,
              () -> A2aClient.connect(server.uri(), Trust.anySigned(), options));
        }
      }
      assertEquals(List.of(), elsewhere.requests());
      try (var endless =
          new ScriptedServer(
              (request, out) ->
                  ScriptedServer.status(
                      out, 302, "location: /" + hops.incrementAndGet() + "\r\n", ""))) {
        assertThrows(
            TransportException.class, () -> A2aClient.connect(endless.uri(), Trust.anySigned()));
        assertTrue(hops.get() < 10);
      }
      try (var moved =
          new ScriptedServer(
              (request, out) -> {
                switch (request.path()) {
                  case "/.well-known/agent.json" ->
                      ScriptedServer.status(out, 301, "location: /card\r\n", "");
                  case "/card" -> ScriptedServer.json(out, Recorded.card());
                  default -> ScriptedServer.status(out, 404, "", "");
                }
              })) {
        try (var agent = Recorded.connect(moved)) {
          assertEquals("peer", agent.card().name());
        }
      }
    }
  }

  @Test
  void headersThatHttpDoesNotAllow() {
    A2aOptions options = A2aOptions.defaults();
    for (String value : List.of("secret\n", "secret\0", "s\u00e9cret\u20ac")) {
      var refused = assertThrows(IllegalArgumentException.class, () -> options.bearerToken(value));
      assertFalse(String.valueOf(refused.getMessage()).contains("cret"), refused.getMessage());
    }
    for (String name : List.of("", "a b", "a:", "Host", "content-length")) {
      assertThrows(IllegalArgumentException.class, () -> options.header(name, "x"), name);
    }
    assertEquals(
        Map.of("authorization", "Bearer b"),
        options.header("authorization", "a").bearerToken("b").headers());
  }

  @Test
  void credentials() {
    A2aOptions options = A2aOptions.defaults().bearerToken("secret").header("X-Key", "other");
    assertFalse(options.toString().contains("secret") || options.toString().contains("other"));
    try (var server = done();
        var agent = Recorded.connect(server, options)) {
      agent.send(HELLO);
      for (Request request : server.requests()) {
        assertEquals("Bearer secret", request.headers().get("authorization"));
        assertEquals("other", request.headers().get("x-key"));
      }
    }
    for (int status : new int[] {401, 403}) {
      try (var server =
              Recorded.server((request, out) -> ScriptedServer.status(out, status, "", ""));
          var agent = Recorded.connect(server)) {
        assertThrows(UnauthorizedException.class, () -> agent.send(HELLO));
        assertThrows(UnauthorizedException.class, () -> agent.stream(HELLO));
      }
    }
  }

  /** The card's address is only believed within the origin. */
  @Test
  void standardsEndpointElsewhere() {
    String card = Recorded.file("standard/card-none.json").replaceAll("127.0.0.1:\\d+", "evil:1");
    try (var server = new ScriptedServer((request, out) -> ScriptedServer.json(out, card))) {
      var refused =
          assertThrows(
              TransportException.class,
              () -> A2aClient.connect(server.uri(), Trust.insecureForTests()));
      assertTrue(String.valueOf(refused.getMessage()).contains("another origin"));
    }
  }

  private static void breaking(AtomicInteger left, Request request, OutputStream out)
      throws Exception {
    if (left.getAndDecrement() <= 0) {
      ScriptedServer.result(out, request, DONE);
    }
  }

  @Test
  void onlyIdempotentTasksAreSentAgain() {
    var left = new AtomicInteger(1);
    try (var server = Recorded.server((request, out) -> breaking(left, request, out));
        var agent = Recorded.connect(server)) {
      assertThrows(TransportException.class, () -> agent.send(HELLO));
      assertEquals(1, server.calls("tasks/send"));
      left.set(2);
      assertEquals(TaskState.COMPLETED, agent.send(HELLO.idempotent(true)).state());
      assertEquals(4, server.calls("tasks/send"));
      left.set(3);
      assertThrows(TransportException.class, () -> agent.send(HELLO.idempotent(true)));
      assertEquals(7, server.calls("tasks/send"));
      left.set(2);
      assertEquals(TaskState.COMPLETED, agent.get("t1").state());
    }
  }

  /** A proxy that cannot reach the agent says so in its name; other errors are the agent's. */
  @Test
  void statusesThatMayPass() {
    var left = new AtomicInteger(2);
    try (var server =
            Recorded.server(
                (request, out) -> {
                  if (left.getAndDecrement() > 0) {
                    ScriptedServer.status(out, 503, "", "");
                  } else {
                    ScriptedServer.result(out, request, DONE);
                  }
                });
        var agent = Recorded.connect(server)) {
      assertEquals(TaskState.COMPLETED, agent.get("t1").state());
      assertEquals(3, server.calls("tasks/get"));
      left.set(1);
      assertThrows(TransportException.class, () -> agent.send(HELLO));
      assertEquals(1, server.calls("tasks/send"));
    }
    try (var server = Recorded.server((request, out) -> ScriptedServer.status(out, 500, "", ""));
        var agent = Recorded.connect(server)) {
      assertThrows(TransportException.class, () -> agent.get("t1"));
      assertEquals(1, server.calls("tasks/get"));
    }
  }

  @Test
  void policiesAreCheckedBeforeAnythingIsSent() {
    try (var server = done();
        var agent = Recorded.connect(server)) {
      TaskPolicy none = TaskPolicy.none();
      List<TaskSpec> violations =
          List.of(
              HELLO.policy(none.maxCostUsd(0.01)).estimate(0.02, 0),
              HELLO.policy(none.maxTokens(10)).estimate(0, 11),
              HELLO.policy(none.allowedSkills("other")),
              HELLO.policy(none.maxDuration(Duration.ZERO)));
      for (TaskSpec spec : violations) {
        assertThrows(PolicyViolationException.class, () -> agent.send(spec));
        assertThrows(PolicyViolationException.class, () -> agent.stream(spec));
      }
      assertEquals(List.of(), calls(server));
      agent.send(HELLO.policy(none.maxCostUsd(0.01).maxTokens(10)).estimate(0.01, 10));
      // Without an estimate these are the agent's to check.
      agent.send(HELLO.policy(none.maxCostUsd(0).maxTokens(0)));
      assertEquals(2, server.calls("tasks/send"));
    }
  }

  @Test
  void tasksThatTakeTooLongAreCancelled() {
    try (var server =
            Recorded.server(
                (request, out) -> {
                  if (request.calls("tasks/cancel")) {
                    ScriptedServer.result(out, request, "{\"canceled\":true,\"id\":\"t1\"}");
                  } else if (request.method().equals("GET")) {
                    ScriptedServer.events(out);
                    // Busy, so that it is not for silence that the stream ends.
                    for (int i = 0; i < 400; i++) {
                      ScriptedServer.write(out, ": working\n\n");
                      Thread.sleep(50);
                    }
                  } else {
                    ScriptedServer.hold();
                  }
                });
        var agent = Recorded.connect(server)) {
      TaskSpec spec = HELLO.policy(TaskPolicy.none().maxDuration(Duration.ofMillis(300)));
      assertThrows(PolicyViolationException.class, () -> agent.send(spec));
      assertEquals(List.of("tasks/send", "tasks/cancel"), calls(server));
      try (var stream = agent.stream(spec)) {
        assertThrows(PolicyViolationException.class, () -> stream.iterator().hasNext());
      }
      assertEquals(2, server.calls("tasks/cancel"));
    }
  }

  @Test
  void budget() {
    Budget budget = Budget.of(2, Duration.ofHours(1));
    try (var server = done();
        var agent = Recorded.connect(server, A2aOptions.defaults().budget(budget));
        var other = Recorded.connect(server, A2aOptions.defaults().budget(budget))) {
      agent.send(HELLO);
      other.send(HELLO);
      assertThrows(BudgetExceededException.class, () -> agent.send(HELLO));
      assertThrows(BudgetExceededException.class, () -> other.stream(HELLO));
      assertEquals(2, calls(server).size());
    }
    Budget sliding = Budget.of(2, Duration.ofNanos(100));
    sliding.take(Long.MAX_VALUE - 10);
    sliding.take(Long.MAX_VALUE - 10 + 60);
    assertThrows(BudgetExceededException.class, () -> sliding.take(Long.MAX_VALUE - 10 + 99));
    sliding.take(Long.MAX_VALUE - 10 + 100);
    assertThrows(BudgetExceededException.class, () -> sliding.take(Long.MAX_VALUE - 10 + 159));
    assertThrows(IllegalArgumentException.class, () -> Budget.of(-1, Duration.ofSeconds(1)));
    assertThrows(IllegalArgumentException.class, () -> Budget.of(1, Duration.ZERO));
  }

  @Test
  void misuse() {
    TaskPolicy none = TaskPolicy.none();
    List<Runnable> misuses =
        List.of(
            () -> TaskSpec.of("", "x"),
            () -> TaskSpec.of(" ", "x"),
            () -> HELLO.id(""),
            () -> HELLO.estimate(-1, 0),
            () -> HELLO.estimate(Double.NaN, 0),
            () -> HELLO.estimate(0, -1),
            () -> HELLO.metadata(Map.of("x", new Object())),
            () -> none.maxCostUsd(-0.01),
            () -> none.maxCostUsd(Double.NaN),
            () -> none.maxTokens(-1),
            () -> none.maxConcurrency(-1),
            () -> none.maxDuration(Duration.ofNanos(-1)),
            () -> none.allowedSkills("a", ""),
            () -> A2aOptions.defaults().idleTimeout(Duration.ZERO),
            () -> A2aOptions.defaults().maxEventBytes(0));
    for (Runnable misuse : misuses) {
      assertThrows(IllegalArgumentException.class, misuse::run);
    }
  }

  /** A task whose second update never comes. */
  private static ScriptedServer half() {
    return Recorded.server(
        (request, out) -> {
          if (request.method().equals("GET")) {
            ScriptedServer.events(out);
            ScriptedServer.write(out, status(1, false));
          }
          ScriptedServer.hold();
        });
  }

  @Test
  void closingFromAnotherThreadEndsTheIteration() throws Exception {
    try (var server = half();
        var agent = Recorded.connect(server);
        var stream = agent.stream(HELLO)) {
      var first = new CountDownLatch(1);
      var told =
          CompletableFuture.supplyAsync(
              () -> {
                int n = 0;
                for (TaskUpdate update : stream) {
                  assertEquals("t1", update.taskId());
                  n++;
                  first.countDown();
                }
                return n;
              });
      first.await();
      stream.close();
      assertEquals(1, told.get(20, TimeUnit.SECONDS));
    }
  }

  @Test
  void interruptsAndCancelledCalls() throws Exception {
    try (var server = half();
        var agent = Recorded.connect(server);
        var stream = agent.stream(HELLO)) {
      var updates = stream.iterator();
      updates.next();
      Thread.currentThread().interrupt();
      assertThrows(CancellationException.class, updates::hasNext);
      assertTrue(Thread.interrupted());
      Thread.currentThread().interrupt();
      assertThrows(CancellationException.class, () -> agent.send(HELLO));
      assertTrue(Thread.interrupted());
      var sent = agent.sendAsync(HELLO);
      sent.cancel(true);
      assertThrows(CancellationException.class, sent::join);
      assertEquals(0, server.calls("tasks/cancel"));
    }
  }

  @Test
  void closingTheClientEndsEverything() throws Exception {
    try (var server = half()) {
      var agent = Recorded.connect(server);
      var stream = agent.stream(HELLO);
      var updates = stream.iterator();
      updates.next();
      var sent = agent.sendAsync(HELLO);
      var next = CompletableFuture.supplyAsync(updates::hasNext);
      agent.close();
      agent.close();
      for (CompletableFuture<?> waiting : List.of(sent, next)) {
        var failure = assertThrows(CompletionException.class, waiting::join);
        assertTrue(failure.getCause() instanceof IllegalStateException, failure.toString());
      }
      assertThrows(IllegalStateException.class, () -> agent.get("t1"));
      assertThrows(IllegalStateException.class, () -> agent.stream(HELLO));
    }
  }

  /** An error of the call that gives the task reaches whoever follows it. */
  @Test
  void refusedTasksEndTheirStream() {
    try (var server =
            Recorded.server(
                (request, out) -> {
                  if (request.method().equals("POST")) {
                    ScriptedServer.json(out, Recorded.answer("policy-skill", request));
                  } else {
                    ScriptedServer.events(out);
                    ScriptedServer.hold();
                  }
                });
        var agent = Recorded.connect(server);
        var stream = agent.stream(HELLO)) {
      assertThrows(PolicyViolationException.class, () -> stream.iterator().hasNext());
      assertFalse(server.requests().isEmpty());
    }
  }

  /** Takes one update at a time. */
  private static class OneByOne implements Flow.Subscriber<TaskUpdate> {
    final List<TaskUpdate> updates = new ArrayList<>();
    final CompletableFuture<List<TaskUpdate>> all = new CompletableFuture<>();
    final int first;
    boolean virtual;
    Flow.Subscription subscription;

    OneByOne(int first) {
      this.first = first;
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      this.subscription = subscription;
      subscription.request(first);
    }

    @Override
    public void onNext(TaskUpdate update) {
      virtual = Thread.currentThread().isVirtual();
      updates.add(update);
      subscription.request(1);
    }

    @Override
    public void onError(Throwable failure) {
      all.completeExceptionally(failure);
    }

    @Override
    public void onComplete() {
      all.complete(updates);
    }
  }

  @Test
  void publisher() throws Exception {
    try (var server =
            Recorded.server(
                (request, out) -> {
                  if (request.method().equals("GET")) {
                    ScriptedServer.events(out);
                    for (int i = 1; i <= 20; i++) {
                      ScriptedServer.write(out, status(i, i == 20));
                    }
                  }
                  ScriptedServer.hold();
                });
        var agent = Recorded.connect(server)) {
      Flow.Publisher<TaskUpdate> publisher = agent.publisher(HELLO);
      assertEquals(List.of(), calls(server));
      var subscriber = new OneByOne(1);
      publisher.subscribe(subscriber);
      assertEquals(20, subscriber.all.get(20, TimeUnit.SECONDS).size());
      assertTrue(subscriber.virtual);

      var second = new OneByOne(1);
      publisher.subscribe(second);
      assertThrows(IllegalStateException.class, () -> unwrapped(second.all));

      var greedy = new OneByOne(0);
      agent.publisher(HELLO).subscribe(greedy);
      assertThrows(IllegalArgumentException.class, () -> unwrapped(greedy.all));
      assertEquals(List.of(), greedy.updates);

      var refused = new OneByOne(1);
      agent.publisher(HELLO.policy(TaskPolicy.none().allowedSkills("x"))).subscribe(refused);
      assertThrows(PolicyViolationException.class, () -> unwrapped(refused.all));
    }
  }

  /** Who does not want it any more, or asks for less than nothing, does not have it sent. */
  @Test
  void publisherThatNobodyWants() throws Exception {
    try (var server = half();
        var agent = Recorded.connect(server)) {
      int before = server.requests().size();
      var subscribed = new CountDownLatch(1);
      var fickle =
          new OneByOne(1) {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
              subscription.request(1);
              subscription.cancel();
              subscribed.countDown();
            }
          };
      agent.publisher(HELLO).subscribe(fickle);
      subscribed.await();

      var greedy = new OneByOne(0);
      agent.publisher(HELLO).subscribe(greedy);
      assertThrows(IllegalArgumentException.class, () -> unwrapped(greedy.all));
      assertEquals(before, server.requests().size());
      assertFalse(fickle.all.isDone());
    }
  }

  /** Less than nothing ends a subscription (3.9), also one that waits for the agent. */
  @Test
  void misuseOfAPublisherThatWaits() throws Exception {
    try (var server = half();
        var agent = Recorded.connect(server)) {
      var got = new CountDownLatch(1);
      var greedy =
          new OneByOne(1) {
            @Override
            public void onNext(TaskUpdate update) {
              updates.add(update);
              // No more than a long can be owed (3.17).
              subscription.request(Long.MAX_VALUE);
              subscription.request(Long.MAX_VALUE);
              got.countDown();
            }
          };
      agent.publisher(HELLO).subscribe(greedy);
      got.await();
      assertFalse(greedy.all.isDone());
      greedy.subscription.request(-1);
      assertThrows(IllegalArgumentException.class, () -> unwrapped(greedy.all));
      assertEquals(1, greedy.updates.size());
    }
  }

  /** The call that gave the task has told its end; whatever became of the stream's. */
  @Test
  void streamWhoseEndIsLost() {
    try (var server =
            Recorded.server(
                (request, out) -> {
                  if (request.method().equals("POST")) {
                    ScriptedServer.result(out, request, DONE);
                  } else {
                    ScriptedServer.events(out);
                    ScriptedServer.write(out, status(1, false));
                    for (int i = 0; i < 400; i++) {
                      ScriptedServer.write(out, ": still here\n\n");
                      Thread.sleep(50);
                    }
                  }
                });
        var agent = Recorded.connect(server);
        var stream = agent.stream(HELLO)) {
      List<TaskUpdate> updates = new ArrayList<>();
      stream.forEach(updates::add);
      assertEquals(3, updates.size());
      assertEquals(new TaskUpdate.Gap("t1", TaskUpdate.Gap.UNKNOWN), updates.get(1));
      assertEquals(TaskState.COMPLETED, ((TaskUpdate.Status) updates.get(2)).state());
    }
  }

  private static void unwrapped(CompletableFuture<?> future) throws Throwable {
    try {
      future.get(20, TimeUnit.SECONDS);
    } catch (java.util.concurrent.ExecutionException e) {
      throw e.getCause();
    }
  }

  /** Demand is never exceeded, and a cancelled subscriber hears no more. */
  @Test
  void publisherWaitsForDemand() throws Exception {
    try (var server = half();
        var agent = Recorded.connect(server)) {
      var subscriber =
          new OneByOne(1) {
            final CountDownLatch got = new CountDownLatch(1);

            @Override
            public void onNext(TaskUpdate update) {
              updates.add(update);
              got.countDown();
            }
          };
      agent.publisher(HELLO).subscribe(subscriber);
      subscriber.got.await();
      subscriber.subscription.cancel();
      assertNull(subscriber.all.getNow(null));
      assertEquals(1, subscriber.updates.size());
    }
  }
}
