package io.ruvector.embed;

import io.ruvector.internal.BodyQueue;
import io.ruvector.internal.Cancellation;
import io.ruvector.internal.Checks;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** The two requests that a model takes from the hub: what a file is, and its bytes. */
final class Hub {
  private static final Duration CONNECT = Duration.ofSeconds(10);
  private static final int REDIRECTS = 8;
  private static final int TRIES = 5;
  private static final long FIRST_PAUSE_MILLIS = 100;

  private final URI endpoint;
  private final @Nullable String token;
  private final Duration idle;

  /** Redirects are followed here: the client would send the token along. */
  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .followRedirects(HttpClient.Redirect.NEVER)
          .connectTimeout(CONNECT)
          .build();

  /**
   * A hub.
   *
   * @param endpoint where it is, without a slash at the end
   * @param token what it knows its user by, or null
   * @param idle after how long without an answer, or a byte of it, a connection counts as cut
   */
  Hub(URI endpoint, @Nullable String token, Duration idle) {
    this.endpoint = endpoint;
    this.token = token;
    this.idle = idle;
  }

  /**
   * What the hub says of a file.
   *
   * @param commit the commit that it is of
   * @param hash its {@link ContentHash}
   * @param size its bytes
   */
  record Metadata(String commit, String hash, long size) {}

  /** An answer that trying again would not change. */
  private static EmbedException refusal(URI uri, HttpResponse<?> response) {
    String code = response.headers().firstValue("X-Error-Code").orElse("");
    String why =
        switch (response.statusCode()) {
          case 401, 403 -> "; it may be private, or need a token (HF_TOKEN)";
          case 404 -> "; the hub has no such repository, revision or file";
          default -> "";
        };
    return new EmbedException(
        "%s: status %d%s%s"
            .formatted(plain(uri), response.statusCode(), code.isEmpty() ? "" : " " + code, why));
  }

  /** An address without its query, which may be signed. */
  private static String plain(URI uri) {
    return "%s://%s%s".formatted(uri.getScheme(), uri.getAuthority(), uri.getPath());
  }

  private URI address(String repository, String revision, String file) {
    var path = new StringBuilder();
    for (String part : file.split("/", -1)) {
      path.append('/').append(encode(part));
    }
    return URI.create("%s/%s/resolve/%s%s".formatted(endpoint, repository, encode(revision), path));
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  /**
   * Asks what a file is.
   *
   * @throws EmbedException if there is none, or the answer is not a hub's
   */
  Metadata head(String repository, String revision, String file) throws IOException {
    URI uri = address(repository, revision, file);
    return retrying(
        uri,
        () -> {
          HttpResponse<BodyQueue> response = send("HEAD", uri, null);
          response.body().close();
          int status = response.statusCode();
          if (status != 200 && !isRedirect(response)) {
            throw refusal(uri, response);
          }
          String commit = header(response, "X-Repo-Commit");
          String linked = header(response, "X-Linked-Etag");
          String etag = linked.isEmpty() ? header(response, "ETag") : linked;
          String hash = etag.replaceFirst("^W/", "").replace("\"", "");
          String length = header(response, "X-Linked-Size");
          if (length.isEmpty() && status == 200) {
            length = header(response, "Content-Length");
          }
          if (commit.length() != 40
              || !ContentHash.isHash(commit)
              || !ContentHash.isHash(hash)
              || !length.matches("\\d{1,18}")) {
            throw new EmbedException(
                "%s: not a hub's answer: X-Repo-Commit '%s', ETag '%s', size '%s'; expected: a commit, a SHA-1 or SHA-256, a number"
                    .formatted(plain(uri), commit, etag, length));
          }
          return new Metadata(commit, hash, Long.parseLong(length));
        });
  }

  /**
   * Downloads a file, from where an earlier download stopped.
   *
   * @param partial what is there of it, and gets the rest
   * @param progress gets the bytes that are there
   * @throws IOException if the connection is cut, and again when tried again
   * @throws EmbedException if the hub refuses, sends another length, or the file cannot be written
   */
  void get(
      String repository, String commit, String file, long size, Path partial, LongConsumer progress)
      throws IOException {
    URI uri = address(repository, commit, file);
    var most = new AtomicLong();
    retrying(
        uri,
        () -> {
          while (true) {
            long have = Files.exists(partial) ? Files.size(partial) : 0;
            if (have == size && Files.exists(partial)) {
              return partial;
            }
            try {
              transfer(uri, size, have < size ? have : 0, partial, progress);
            } catch (IOException e) {
              long now = Files.exists(partial) ? Files.size(partial) : 0;
              // A connection that brought something on is not the one that fails.
              if (now <= most.get()) {
                throw e;
              }
              most.set(now);
            }
          }
        });
  }

  private void transfer(URI uri, long size, long from, Path partial, LongConsumer progress)
      throws IOException, InterruptedException {
    String range = from == 0 ? null : "bytes=%d-".formatted(from);
    HttpResponse<BodyQueue> response = send("GET", uri, range);
    try (BodyQueue body = response.body()) {
      int status = response.statusCode();
      if (status != 200 && status != 206) {
        throw refusal(uri, response);
      }
      long start = status == 206 ? from : 0;
      if (status == 206 && !header(response, "Content-Range").startsWith("bytes " + from + "-")) {
        Files.deleteIfExists(partial);
        throw new IOException(
            "asked for the bytes from %d on, got '%s'"
                .formatted(from, header(response, "Content-Range")));
      }
      try (var out =
          writing(
              partial,
              () ->
                  FileChannel.open(partial, StandardOpenOption.CREATE, StandardOpenOption.WRITE)
                      .truncate(start)
                      .position(start))) {
        long at = start;
        long patience = Checks.nanos(idle);
        for (var piece = body.next(patience); piece != null; piece = body.next(patience)) {
          for (ByteBuffer buffer : piece) {
            at += buffer.remaining();
            if (at > size) {
              Files.delete(partial);
              throw new EmbedException(
                  "%s: more than the %d bytes that the hub told of".formatted(plain(uri), size));
            }
            while (buffer.hasRemaining()) {
              writing(partial, () -> out.write(buffer));
            }
          }
          progress.accept(at);
        }
        if (at < size) {
          throw new IOException("the connection ended after %d of %d bytes".formatted(at, size));
        }
        writing(
            partial,
            () -> {
              out.force(true);
              return partial;
            });
      }
    }
  }

  /** A disk that is full would stay so: what was written goes, but not for an interrupt. */
  private static <T> T writing(Path partial, Attempt<T> attempt) throws InterruptedException {
    try {
      return attempt.run();
    } catch (ClosedByInterruptException e) {
      throw new InterruptedException();
    } catch (IOException e) {
      try {
        Files.deleteIfExists(partial);
      } catch (IOException again) {
        e.addSuppressed(again);
      }
      throw new EmbedException("%s cannot be written: %s".formatted(partial, e), e);
    }
  }

  /** Sends a request and follows redirects: for HEAD up to the one that leaves the hub. */
  private HttpResponse<BodyQueue> send(String method, URI first, @Nullable String range)
      throws IOException, InterruptedException {
    URI uri = first;
    for (int hop = 0; hop <= REDIRECTS; hop++) {
      var request =
          HttpRequest.newBuilder(uri)
              .method(method, HttpRequest.BodyPublishers.noBody())
              .header("User-Agent", "ruvector")
              .header("Accept-Encoding", "identity");
      if (range != null) {
        request.header("Range", range);
      }
      if (token != null && isSameOrigin(uri, endpoint)) {
        request.header("Authorization", "Bearer " + token);
      }
      HttpResponse<BodyQueue> response = BodyQueue.exchange(client, request.build(), idle);
      int status = response.statusCode();
      if (status == 429 || status >= 500) {
        response.body().close();
        throw new IOException("status %d".formatted(status));
      }
      if (!isRedirect(response)) {
        return response;
      }
      response.body().close();
      URI next = target(uri, header(response, "Location"));
      if (method.equals("HEAD") && !isSameOrigin(next, endpoint)) {
        return response;
      }
      boolean secure = "https".equals(next.getScheme());
      if (!secure && ("https".equals(uri.getScheme()) || !"http".equals(next.getScheme()))) {
        throw new EmbedException(
            "%s: a redirect to %s, which is not https".formatted(plain(uri), plain(next)));
      }
      uri = next;
    }
    throw new EmbedException("%s: more than %d redirects".formatted(plain(first), REDIRECTS));
  }

  private static URI target(URI from, String location) {
    try {
      URI to = from.resolve(location);
      if (to.getHost() != null) {
        return to;
      }
    } catch (IllegalArgumentException e) {
      // Told below, without a query, which may be signed.
    }
    throw new EmbedException(
        "%s: a redirect to %s, expected: an address"
            .formatted(plain(from), location.replaceFirst("\\?.*", "")));
  }

  private static boolean isRedirect(HttpResponse<?> response) {
    return switch (response.statusCode()) {
      case 301, 302, 303, 307, 308 -> !header(response, "Location").isEmpty();
      default -> false;
    };
  }

  private static boolean isSameOrigin(URI one, URI other) {
    return Objects.equals(one.getScheme(), other.getScheme())
        && one.getHost() != null
        && one.getHost().equalsIgnoreCase(other.getHost())
        && port(one) == port(other);
  }

  private static int port(URI uri) {
    return uri.getPort() >= 0 ? uri.getPort() : "https".equals(uri.getScheme()) ? 443 : 80;
  }

  private static String header(HttpResponse<?> response, String name) {
    return response.headers().firstValue(name).orElse("");
  }

  private interface Attempt<T> {
    T run() throws IOException, InterruptedException;
  }

  /** Tries again, after a pause that doubles, what a network may do better the next time. */
  private static <T> T retrying(URI uri, Attempt<T> attempt) throws IOException {
    try {
      for (int tried = 1; ; tried++) {
        try {
          return attempt.run();
        } catch (IOException e) {
          if (tried == TRIES) {
            throw new IOException(
                "%s: %s, the last of %d tries".formatted(plain(uri), e, TRIES), e);
          }
        }
        Thread.sleep(FIRST_PAUSE_MILLIS << (tried - 1));
      }
    } catch (InterruptedException e) {
      throw Cancellation.interrupted(plain(uri), e);
    }
  }
}
