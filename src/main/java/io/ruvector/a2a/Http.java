package io.ruvector.a2a;

import io.ruvector.internal.BodyQueue;
import io.ruvector.internal.Cancellation;
import io.ruvector.internal.Checks;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executors;

/** Requests to one origin, within the limits of its options. */
final class Http implements AutoCloseable {
  private static final int MAX_REDIRECTS = 5;

  /** As much of an answer as goes into a message. */
  private static final int MAX_SHOWN = 200;

  private final HttpClient client;
  private final URI origin;
  private final A2aOptions options;
  private volatile boolean closed;

  Http(URI origin, A2aOptions options) {
    this.origin = origin;
    this.options = options;
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .executor(
                Executors.newThreadPerTaskExecutor(
                    Thread.ofVirtual().name("ruvector-a2a-", 0).factory()))
            .connectTimeout(options.connectTimeout());
    if (options.sslContext() != null) {
      builder.sslContext(options.sslContext());
    }
    client = builder.build();
  }

  /** Scheme, host and port, which credentials may be sent to. */
  static URI origin(URI uri) {
    String scheme = String.valueOf(uri.getScheme()).toLowerCase(Locale.ROOT);
    if (!(scheme.equals("http") || scheme.equals("https")) || uri.getHost() == null) {
      throw Checks.illegal("uri", uri, "http:// or https:// and a host");
    }
    int port = uri.getPort() >= 0 ? uri.getPort() : scheme.equals("https") ? 443 : 80;
    return URI.create("%s://%s:%d".formatted(scheme, uri.getHost().toLowerCase(Locale.ROOT), port));
  }

  /**
   * A response, read as a whole.
   *
   * @param status its status
   * @param contentType its media type, without parameters
   * @param body what is in it
   */
  record Answer(int status, String contentType, byte[] body) {
    /** The beginning of it, for a message. */
    String shown() {
      String text = new String(body, 0, Math.min(body.length, MAX_SHOWN), StandardCharsets.UTF_8);
      return text.lines().findFirst().orElse("").replaceAll("\\p{Cntrl}", "?");
    }
  }

  /** Gets what lies somewhere, and follows redirects within the origin. */
  Answer get(URI uri, Duration timeout) {
    URI at = uri;
    for (int redirects = 0; ; redirects++) {
      HttpResponse<BodyQueue> response = exchange(request(at, Map.of()).GET(), timeout);
      if (response.statusCode() / 100 != 3) {
        return read(response, timeout);
      }
      response.body().close();
      URI from = at;
      at =
          response
              .headers()
              .firstValue("location")
              .map(location -> resolve(from, location))
              .orElseThrow(() -> new TransportException(from + " redirects to nowhere"));
      if (!origin(at).equals(origin)) {
        throw new TransportException("%s redirects to another origin: %s".formatted(from, at));
      }
      if (redirects == MAX_REDIRECTS) {
        throw new TransportException("%s redirects more than %d times".formatted(uri, redirects));
      }
    }
  }

  private static URI resolve(URI from, String location) {
    try {
      URI to = from.resolve(location);
      URI _ = origin(to);
      return to;
    } catch (IllegalArgumentException e) {
      throw new TransportException("%s redirects to %s".formatted(from, location));
    }
  }

  /** Posts JSON. */
  Answer post(URI uri, Map<String, String> headers, String json, Duration timeout) {
    return read(exchange(posting(uri, headers, json), timeout), timeout);
  }

  /** A request that posts JSON. */
  HttpRequest.Builder posting(URI uri, Map<String, String> headers, String json) {
    return request(uri, headers)
        .header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(json));
  }

  HttpRequest.Builder request(URI uri, Map<String, String> headers) {
    if (!origin(uri).equals(origin)) {
      throw new TransportException(
          "%s is of another origin than %s, which is all that credentials are for"
              .formatted(uri, origin));
    }
    HttpRequest.Builder builder = HttpRequest.newBuilder(uri);
    options.headers().forEach(builder::setHeader);
    headers.forEach(builder::setHeader);
    return builder;
  }

  /** Sends a request; what comes back has its headers, and its body still to be read. */
  HttpResponse<BodyQueue> exchange(HttpRequest.Builder builder, Duration timeout) {
    checkOpen();
    HttpRequest request = builder.build();
    try {
      return BodyQueue.exchange(client, request, timeout);
    } catch (IOException e) {
      throw failure(request.uri(), e);
    } catch (InterruptedException e) {
      throw Cancellation.interrupted(request.uri(), e);
    }
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("A2aClient is closed");
    }
  }

  /** What a failed connection is to the caller. */
  RuntimeException failure(URI uri, IOException e) {
    if (closed) {
      return new IllegalStateException("A2aClient is closed", e);
    }
    if (e instanceof HttpTimeoutException) {
      return TransportException.timeout("%s: %s".formatted(uri, e.getMessage()), e);
    }
    String reason = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    return new TransportException("%s: %s".formatted(uri, reason), e);
  }

  /** Reads a body as a whole. */
  Answer read(HttpResponse<BodyQueue> response, Duration timeout) {
    long deadline = System.nanoTime() + Checks.nanos(timeout);
    var whole = new ByteArrayOutputStream();
    try (BodyQueue body = response.body()) {
      while (true) {
        List<ByteBuffer> piece = body.next(deadline - System.nanoTime());
        if (piece == null) {
          break;
        }
        for (ByteBuffer buffer : piece) {
          if (buffer.remaining() > options.maxBodyBytes() - whole.size()) {
            throw new TransportException(
                "%s answers with more than the %d bytes allowed"
                    .formatted(response.uri(), options.maxBodyBytes()));
          }
          byte[] bytes = new byte[buffer.remaining()];
          buffer.get(bytes);
          whole.writeBytes(bytes);
        }
      }
    } catch (IOException e) {
      throw failure(response.uri(), e);
    } catch (InterruptedException e) {
      throw Cancellation.interrupted(response.uri(), e);
    }
    return new Answer(response.statusCode(), contentType(response), whole.toByteArray());
  }

  /** A response's media type, without parameters. */
  static String contentType(HttpResponse<?> response) {
    String type = response.headers().firstValue("content-type").orElse("");
    int semicolon = type.indexOf(';');
    return (semicolon < 0 ? type : type.substring(0, semicolon)).strip().toLowerCase(Locale.ROOT);
  }

  @Override
  public void close() {
    closed = true;
    client.shutdownNow();
  }
}
