package io.ruvector.a2a;

import io.ruvector.a2a.Dialect.Rpc;
import io.ruvector.a2a.Json.MalformedException;
import io.ruvector.internal.BodyQueue;
import io.ruvector.internal.Cancellation;
import io.ruvector.internal.Checks;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Another agent, by the A2A protocol: its card is fetched and verified before anything is sent.
 *
 * {@snippet lang=java :
 * try (var agent = A2aClient.connect(URI.create("https://peer.example"), Trust.pinned(agentId));
 *     var updates = agent.stream(TaskSpec.of("rag.query", "What is RaBitQ?"))) {
 *   for (TaskUpdate update : updates) {
 *     switch (update) {
 *       case TaskUpdate.Status s -> System.err.println(s.state());
 *       case TaskUpdate.ArtifactUpdate a -> System.out.print(a.text());
 *       case TaskUpdate.Gap g -> System.err.println(g.lost() + " updates lost");
 *     }
 *   }
 * }
 * }
 *
 * <p>Requests go to the origin that it was connected to, whatever the card says; redirects to
 * others are refused. A task is sent once, unless it is {@linkplain TaskSpec#idempotent(boolean)
 * idempotent}. Failures are {@link A2aException}s, by kind.
 *
 * <p>Safe for use from many threads, virtual ones included. Whoever connects it closes it, which
 * ends its streams and calls, but not the tasks: these are the agent's.
 */
public final class A2aClient implements AutoCloseable {
  private static final String CARD = ".well-known/agent-card.json";
  private static final String RVAGENT_CARD = ".well-known/agent.json";

  /** Longer than any task, and still a time that can be waited for. */
  static final Duration UNLIMITED = Duration.ofDays(365);

  static final long FIRST_PAUSE_MILLIS = 50;
  private static final long LONGEST_PAUSE_MILLIS = 2_000;

  private final Http http;
  private final A2aOptions options;
  private final Dialect dialect;
  private final AgentCard card;
  private final @Nullable String agentId;
  private final AtomicLong calls = new AtomicLong();
  private final AtomicInteger running = new AtomicInteger();

  private A2aClient(Http http, A2aOptions options, Dialect dialect, Cards.Accepted accepted) {
    this.http = http;
    this.options = options;
    this.dialect = dialect;
    this.card = accepted.card();
    this.agentId = accepted.agentId();
  }

  /**
   * Finds an agent, and makes sure that it is one to trust.
   *
   * @param uri where it is: under this, {@code .well-known/agent-card.json} or {@code
   *     .well-known/agent.json}
   * @param trust whose word is taken
   * @throws CardSignatureInvalidException if it is none to trust
   * @throws TransportException if it cannot be reached, or has no card
   */
  public static A2aClient connect(URI uri, Trust trust) {
    return connect(uri, trust, A2aOptions.defaults());
  }

  /**
   * Finds an agent, and makes sure that it is one to trust.
   *
   * @param uri where it is: under this, {@code .well-known/agent-card.json} or {@code
   *     .well-known/agent.json}
   * @param trust whose word is taken
   * @param options limits and credentials
   * @throws CardSignatureInvalidException if it is none to trust
   * @throws TransportException if it cannot be reached, or has no card
   */
  public static A2aClient connect(URI uri, Trust trust, A2aOptions options) {
    URI origin = Http.origin(uri);
    String path = uri.getRawPath() == null ? "/" : uri.getRawPath();
    URI base = origin.resolve(path.endsWith("/") ? path : path + "/");
    Http http = new Http(origin, options);
    try {
      return discover(http, base, origin, trust, options);
    } catch (Throwable t) {
      http.close();
      throw t;
    }
  }

  private static A2aClient discover(
      Http http, URI base, URI origin, Trust trust, A2aOptions options) {
    Http.Answer answer = http.get(base.resolve(CARD), options.requestTimeout());
    if (answer.status() == 404) {
      answer = http.get(base.resolve(RVAGENT_CARD), options.requestTimeout());
      if (answer.status() == 404) {
        throw new TransportException(
            "%s has no agent: neither %s nor %s is there".formatted(base, CARD, RVAGENT_CARD));
      }
      check(base.resolve(RVAGENT_CARD), answer);
      Cards.Accepted accepted = Cards.rvagent(answer.body(), origin.toString(), trust);
      return new A2aClient(http, options, new RvagentDialect(base), accepted);
    }
    check(base.resolve(CARD), answer);
    Cards.Accepted accepted = Cards.standard(answer.body(), origin.toString(), trust);
    URI endpoint;
    try {
      endpoint = base.resolve(accepted.card().url());
      if (!Http.origin(endpoint).equals(origin)) {
        throw new TransportException(
            "the card of %s takes tasks at another origin: %s".formatted(base, endpoint));
      }
    } catch (IllegalArgumentException e) {
      throw new TransportException(
          "the card of %s takes tasks at %s".formatted(base, accepted.card().url()));
    }
    return new A2aClient(http, options, new StandardDialect(endpoint, accepted.codec()), accepted);
  }

  /** Refuses what is no JSON of an agent's. */
  private static void check(URI uri, Http.Answer answer) {
    if (answer.status() == 401 || answer.status() == 403) {
      throw new UnauthorizedException("%s answers %d".formatted(uri, answer.status()));
    }
    if (answer.status() / 100 != 2) {
      String message = "%s answers %d: %s".formatted(uri, answer.status(), answer.shown());
      // That is a proxy's word for the agent's connection.
      throw answer.status() >= 502 && answer.status() <= 504
          ? new TransportException(message, null)
          : new TransportException(message);
    }
    if (!answer.contentType().equals("application/json")
        && !answer.contentType().endsWith("+json")) {
      throw new TransportException(
          "%s answers with %s, expected: application/json"
              .formatted(uri, answer.contentType().isEmpty() ? "no type" : answer.contentType()));
    }
  }

  /** What the agent says of itself. */
  public AgentCard card() {
    return card;
  }

  /**
   * The id of the agent, for {@link Trust#pinned(String, String...)}: the hash of the Ed25519 key
   * that signed its card. Empty where that is not signed by such a key, or was not verified.
   */
  public Optional<String> agentId() {
    return Optional.ofNullable(agentId);
  }

  /**
   * Gives the agent a task, and waits until it is done, or until the agent waits for more.
   *
   * @throws PolicyViolationException if it would break its policy, or takes longer than that allows
   * @throws BudgetExceededException if there is a budget, and it is used up
   * @throws A2aException if the agent refuses it
   * @throws TransportException if the connection fails: the agent may or may not work on it
   */
  public Task send(TaskSpec spec) {
    Duration limit = admit(spec);
    try {
      if (limit == null) {
        return sent(dialect.send(spec, true), options.sendTimeout(), spec.idempotent());
      }
      long deadline = System.nanoTime() + Checks.nanos(limit);
      return dialect.isAlwaysWaiting()
          ? sendWithin(spec, limit)
          : sendAndPoll(spec, deadline, limit);
    } finally {
      running.decrementAndGet();
    }
  }

  /** Takes a task out of the budget and lets it begin; the time that it may take, or null. */
  private @Nullable Duration admit(TaskSpec spec) {
    TaskPolicy policy = spec.policy();
    policy.check(spec);
    Duration limit = policy.maxDuration();
    if (limit != null && limit.isZero()) {
      throw new PolicyViolationException("a task takes longer than " + limit);
    }
    Integer most = policy.maxConcurrency();
    int now = running.incrementAndGet();
    try {
      // rvagent's server counts by itself.
      if (most != null && now > most && dialect instanceof StandardDialect) {
        throw new PolicyViolationException(
            "%d tasks run already, allowed: up to %d".formatted(now - 1, most));
      }
      if (options.budget() != null) {
        options.budget().take();
      }
      return limit;
    } catch (A2aException e) {
      running.decrementAndGet();
      throw e;
    }
  }

  private Task sent(Rpc call, Duration timeout, boolean again) {
    return call(call, timeout, again, dialect::sent);
  }

  private Task sendWithin(TaskSpec spec, Duration limit) {
    boolean limited = limit.compareTo(options.sendTimeout()) < 0;
    Duration timeout = limited ? limit : options.sendTimeout();
    try {
      return sent(dialect.send(spec, true), timeout, spec.idempotent());
    } catch (TransportException e) {
      if (limited && e.isTimeout()) {
        throw overdue(spec.id(), limit);
      }
      throw e;
    }
  }

  private Task sendAndPoll(TaskSpec spec, long deadline, Duration limit) {
    Task task = sent(dialect.send(spec, false), options.requestTimeout(), spec.idempotent());
    long pause = FIRST_PAUSE_MILLIS;
    while (!task.state().isFinal() && !task.state().isInterrupted()) {
      long left = (deadline - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        throw overdue(task.id(), limit);
      }
      pause = pause(Math.min(pause, left));
      task = get(task.id());
    }
    return task;
  }

  /** Stops a task that has taken too long. */
  PolicyViolationException overdue(String taskId, Duration limit) {
    var violation =
        new PolicyViolationException(
            "task %s has taken longer than the %s allowed, and is cancelled"
                .formatted(taskId, limit));
    try {
      cancel(taskId);
    } catch (A2aException e) {
      violation.addSuppressed(e);
    }
    return violation;
  }

  /** As {@link #send}, on a virtual thread; cancelling the future does not cancel the task. */
  public CompletableFuture<Task> sendAsync(TaskSpec spec) {
    return async(() -> send(spec));
  }

  /**
   * How a task stands.
   *
   * @throws UnknownTaskException if the agent does not know it; rvagent's servers know none that
   *     still runs
   */
  public Task get(String taskId) {
    return call(dialect.get(taskId), options.requestTimeout(), true, dialect::got);
  }

  /** As {@link #get}, on a virtual thread. */
  public CompletableFuture<Task> getAsync(String taskId) {
    return async(() -> get(taskId));
  }

  /**
   * Asks the agent to stop a task.
   *
   * @throws UnknownTaskException if the agent does not know it; rvagent's servers do not tell
   * @throws A2aException if the agent does not stop it, for one because it is done
   */
  public void cancel(String taskId) {
    call(dialect.cancel(taskId), options.requestTimeout(), false, result -> taskId);
  }

  /** As {@link #cancel}, on a virtual thread. */
  public CompletableFuture<Void> cancelAsync(String taskId) {
    return async(
            () -> {
              cancel(taskId);
              return taskId;
            })
        .thenAccept(id -> {});
  }

  /**
   * Gives the agent a task, and follows it: from before it is sent, so that nothing is missed.
   *
   * @throws PolicyViolationException if it would break its policy
   * @throws BudgetExceededException if there is a budget, and it is used up
   * @throws A2aException if the agent refuses it, here or by the stream
   */
  public TaskStream stream(TaskSpec spec) {
    Duration limit = admit(spec);
    try {
      return TaskStream.of(this, spec, limit, running::decrementAndGet);
    } catch (Throwable t) {
      running.decrementAndGet();
      throw t;
    }
  }

  /** Follows a task that was given before, from now on or from what the agent can tell again. */
  public TaskStream resubscribe(String taskId) {
    return TaskStream.resubscribed(this, taskId);
  }

  /**
   * As {@link #stream}, for one subscriber, who is called on a virtual thread of its own. The task
   * is sent when that subscribes.
   */
  public Flow.Publisher<TaskUpdate> publisher(TaskSpec spec) {
    return new TaskPublisher(() -> stream(spec));
  }

  /** Ends all streams and calls; what waits for one of them gets an IllegalStateException. */
  @Override
  public void close() {
    http.close();
  }

  A2aOptions options() {
    return options;
  }

  Dialect dialect() {
    return dialect;
  }

  Http http() {
    return http;
  }

  /** Reads the result of a call. */
  @FunctionalInterface
  interface Result<R> {
    R read(@Nullable Object result) throws MalformedException;
  }

  /**
   * Makes a call.
   *
   * @param again whether it may be made again where the connection fails
   */
  <R> R call(Rpc call, Duration timeout, boolean again, Result<R> reader) {
    long pause = FIRST_PAUSE_MILLIS;
    for (int retries = 0; ; retries++) {
      try {
        return callOnce(call, timeout, reader);
      } catch (TransportException e) {
        if (!again || !e.isConnection() || e.isTimeout() || retries >= options.maxRetries()) {
          throw e;
        }
      }
      pause = pause(pause);
    }
  }

  private <R> R callOnce(Rpc call, Duration timeout, Result<R> reader) {
    String id = String.valueOf(calls.incrementAndGet());
    URI endpoint = dialect.endpoint();
    Http.Answer answer = http.post(endpoint, dialect.headers(), json(call, id), timeout);
    check(endpoint, answer);
    try {
      return reader.read(dialect.result(answer(answer.body(), id)));
    } catch (MalformedException e) {
      throw new TransportException(
          "%s, answering %s: %s".formatted(endpoint, call.method(), e.getMessage()));
    }
  }

  /** The answer to the call with an id. */
  private static Fields answer(byte[] body, String id) throws MalformedException {
    Fields answer = Fields.of("the answer", Json.parse(body));
    Object answered = answer.any("id");
    // An agent that could not read the call cannot name it.
    if (!id.equals(answered) && answered != null) {
      throw answer.malformed("that to call %s, not %s".formatted(id, Json.write(answered)));
    }
    return answer;
  }

  private static String json(Rpc call, String id) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("jsonrpc", "2.0");
    json.put("id", id);
    json.put("method", call.method());
    json.put("params", call.params());
    return Json.write(json);
  }

  /** Opens a stream of events; an answer of another kind is an error. */
  SseReader open(Dialect.Source source) {
    String id = String.valueOf(calls.incrementAndGet());
    HttpRequest.Builder request =
        source.call() == null
            ? http.request(source.uri(), dialect.headers()).GET()
            : http.posting(source.uri(), dialect.headers(), json(source.call(), id));
    request.setHeader("Accept", "text/event-stream");
    HttpResponse<BodyQueue> response = http.exchange(request, options.requestTimeout());
    if (response.statusCode() == 200 && Http.contentType(response).equals("text/event-stream")) {
      return new SseReader(response.body(), options.maxEventBytes());
    }
    Http.Answer answer = http.read(response, options.requestTimeout());
    if (answer.status() == 200 && source.call() == null) {
      throw new TransportException(
          "%s answers with %s, expected: text/event-stream"
              .formatted(source.uri(), answer.contentType()));
    }
    check(source.uri(), answer);
    try {
      dialect.result(answer(answer.body(), id));
    } catch (MalformedException e) {
      throw new TransportException("%s: %s".formatted(source.uri(), e.getMessage()));
    }
    throw new TransportException(source.uri() + " answers at once, expected: a stream of events");
  }

  /** Waits, and tells how long to wait the next time. */
  static long pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw Cancellation.interrupted("waiting for an agent", e);
    }
    return longer(millis);
  }

  static long longer(long millis) {
    return Math.min(2 * millis, LONGEST_PAUSE_MILLIS);
  }

  /** Makes a call on a virtual thread; cancelling the future interrupts it. */
  static <R> CompletableFuture<R> async(Supplier<R> call) {
    var future = new CompletableFuture<R>();
    Thread thread =
        Thread.ofVirtual()
            .name("ruvector-a2a-call")
            .unstarted(
                () -> {
                  try {
                    future.complete(call.get());
                  } catch (Throwable t) {
                    // Whatever it is belongs to the one who waits.
                    future.completeExceptionally(t);
                  }
                });
    var _ =
        future.whenComplete(
            (result, failure) -> {
              if (future.isCancelled()) {
                thread.interrupt();
              }
            });
    thread.start();
    return future;
  }
}
