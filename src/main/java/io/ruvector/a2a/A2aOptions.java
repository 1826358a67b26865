package io.ruvector.a2a;

import io.ruvector.internal.Checks;
import java.net.http.HttpRequest;
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Limits and credentials of an {@link A2aClient}.
 *
 * {@snippet lang=java :
 * var options = A2aOptions.defaults().bearerToken("secret").idleTimeout(Duration.ofMinutes(5));
 * }
 *
 * <p>Immutable. Credentials are sent to the agent's origin only, and are not in {@link #toString}.
 */
public final class A2aOptions {
  private static final A2aOptions DEFAULTS = new A2aOptions(new Values());

  private final Values values;

  /** The options, mutable while one is being changed. */
  private static final class Values implements Cloneable {
    Duration connectTimeout = Duration.ofSeconds(10);
    Duration requestTimeout = Duration.ofSeconds(30);
    Duration sendTimeout = Duration.ofMinutes(10);
    Duration idleTimeout = Duration.ofSeconds(60);
    int maxBodyBytes = 16 << 20;
    int maxEventBytes = 1 << 20;
    int maxReconnects = 5;
    int maxRetries = 2;
    Map<String, String> headers = Map.of();
    @Nullable SSLContext sslContext;
    @Nullable Budget budget;

    @Override
    protected Values clone() {
      try {
        return (Values) super.clone();
      } catch (CloneNotSupportedException e) {
        throw new AssertionError(e);
      }
    }
  }

  /** Sets one option. */
  @FunctionalInterface
  private interface Change {
    void in(Values values);
  }

  private A2aOptions(Values values) {
    this.values = values;
  }

  private A2aOptions with(Change change) {
    Values changed = values.clone();
    change.in(changed);
    return new A2aOptions(changed);
  }

  /** What the methods below say. */
  public static A2aOptions defaults() {
    return DEFAULTS;
  }

  /** How long a connection may take to come about; 10 seconds by default. */
  public A2aOptions connectTimeout(Duration timeout) {
    long _ = Checks.positiveNanos("connectTimeout", timeout);
    return with(v -> v.connectTimeout = timeout);
  }

  /** How long the card, a task's state and a cancel may take; 30 seconds by default. */
  public A2aOptions requestTimeout(Duration timeout) {
    long _ = Checks.positiveNanos("requestTimeout", timeout);
    return with(v -> v.requestTimeout = timeout);
  }

  /**
   * How long {@link A2aClient#send} may wait for a task; 10 minutes by default. What takes longer
   * is better followed by {@link A2aClient#stream}, which has no such limit.
   */
  public A2aOptions sendTimeout(Duration timeout) {
    long _ = Checks.positiveNanos("sendTimeout", timeout);
    return with(v -> v.sendTimeout = timeout);
  }

  /** How long a stream may be silent, without as much as a comment; 60 seconds by default. */
  public A2aOptions idleTimeout(Duration timeout) {
    long _ = Checks.positiveNanos("idleTimeout", timeout);
    return with(v -> v.idleTimeout = timeout);
  }

  /** How large an answer may be; 16 MiB by default. */
  public A2aOptions maxBodyBytes(int bytes) {
    return with(v -> v.maxBodyBytes = Checks.inRange("maxBodyBytes", bytes, 1, 1 << 30));
  }

  /** How large an event of a stream may be, comments before it included; 1 MiB by default. */
  public A2aOptions maxEventBytes(int bytes) {
    return with(v -> v.maxEventBytes = Checks.inRange("maxEventBytes", bytes, 1, 1 << 30));
  }

  /** How often a stream may reconnect without an update in between; 5 times by default. */
  public A2aOptions maxReconnects(int times) {
    return with(v -> v.maxReconnects = Checks.inRange("maxReconnects", times, 0, 1_000));
  }

  /**
   * How often {@link A2aClient#get}, and {@link A2aClient#send} of an idempotent task, may be sent
   * again after the connection failed, or a proxy said so by status 502 to 504; twice by default.
   */
  public A2aOptions maxRetries(int times) {
    return with(v -> v.maxRetries = Checks.inRange("maxRetries", times, 0, 1_000));
  }

  /**
   * A header of every request, instead of one with this name, in whatever case.
   *
   * @throws IllegalArgumentException if HTTP has no such header, or the client sets it itself; the
   *     message does not tell the value
   */
  public A2aOptions header(String name, String value) {
    checkHeader(name, "");
    checkHeader(name, value);
    Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    headers.putAll(values.headers);
    headers.put(name, value);
    return with(v -> v.headers = Collections.unmodifiableMap(headers));
  }

  private static void checkHeader(String name, String value) {
    try {
      HttpRequest.newBuilder().header(name, value);
    } catch (IllegalArgumentException e) {
      throw value.isEmpty()
          ? Checks.illegal("header", name, "names of HTTP's headers that are not the client's")
          : new IllegalArgumentException(
              "the value of header %s has characters that HTTP does not allow".formatted(name));
    }
  }

  /** Tells the agent who calls, by RFC 6750. */
  public A2aOptions bearerToken(String token) {
    return header("Authorization", "Bearer " + token);
  }

  /** What TLS trusts and presents; the JDK's default otherwise. */
  public A2aOptions sslContext(SSLContext context) {
    return with(v -> v.sslContext = context);
  }

  /** How many tasks may be sent; any number by default. */
  public A2aOptions budget(Budget budget) {
    return with(v -> v.budget = budget);
  }

  Duration connectTimeout() {
    return values.connectTimeout;
  }

  Duration requestTimeout() {
    return values.requestTimeout;
  }

  Duration sendTimeout() {
    return values.sendTimeout;
  }

  Duration idleTimeout() {
    return values.idleTimeout;
  }

  int maxBodyBytes() {
    return values.maxBodyBytes;
  }

  int maxEventBytes() {
    return values.maxEventBytes;
  }

  int maxReconnects() {
    return values.maxReconnects;
  }

  int maxRetries() {
    return values.maxRetries;
  }

  Map<String, String> headers() {
    return values.headers;
  }

  @Nullable SSLContext sslContext() {
    return values.sslContext;
  }

  @Nullable Budget budget() {
    return values.budget;
  }

  /** The limits, for people to read, and the names of headers, but not what is in these. */
  @Override
  public String toString() {
    return ("A2aOptions[connectTimeout %s, requestTimeout %s, sendTimeout %s, idleTimeout %s, "
            + "maxBodyBytes %d, maxEventBytes %d, maxReconnects %d, maxRetries %d, headers %s]")
        .formatted(
            values.connectTimeout,
            values.requestTimeout,
            values.sendTimeout,
            values.idleTimeout,
            values.maxBodyBytes,
            values.maxEventBytes,
            values.maxReconnects,
            values.maxRetries,
            values.headers.keySet());
  }
}
