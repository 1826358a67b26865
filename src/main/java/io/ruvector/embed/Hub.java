package io.ruvector.embed;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** The two requests that a model takes from the hub: what a file is, and its bytes. */
final class Hub {
  private static final Duration CONNECT = Duration.ofSeconds(10);
  private static final int REDIRECTS = 8;
  private static final int TRIES = 5;
  private static final long FIRST_PAUSE_MILLIS = 100;
  private static final int BUFFER = 1 << 16;

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
          HttpResponse<Void> response = send("HEAD", uri, null, BodyHandlers.discarding());
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
      throws IOException {
    String range = from == 0 ? null : "bytes=%d-".formatted(from);
    HttpResponse<InputStream> response = send("GET", uri, range, BodyHandlers.ofInputStream());
    try (InputStream body = response.body();
        var watch = new Watch(body, idle)) {
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
      try (var out = open(partial, start)) {
        long at = start;
        byte[] buffer = new byte[BUFFER];
        for (int read = body.read(buffer); read >= 0; read = body.read(buffer)) {
          watch.heard();
          at += read;
          if (at > size) {
            Files.delete(partial);
            throw new EmbedException(
                "%s: more than the %d bytes that the hub told of".formatted(plain(uri), size));
          }
          write(out, buffer, read, partial);
          progress.accept(at);
        }
        if (at < size) {
          throw new IOException("the connection ended after %d of %d bytes".formatted(at, size));
        }
        sync(out, partial);
      }
    }
  }

  private static FileChannel open(Path partial, long at) {
    try {
      var channel = FileChannel.open(partial, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      channel.truncate(at).position(at);
      return channel;
    } catch (IOException e) {
      throw unwritable(partial, e);
    }
  }

  private static void write(FileChannel out, byte[] bytes, int length, Path partial) {
    try {
      var buffer = ByteBuffer.wrap(bytes, 0, length);
      while (buffer.hasRemaining()) {
        out.write(buffer);
      }
    } catch (IOException e) {
      throw unwritable(partial, e);
    }
  }

  private static void sync(FileChannel out, Path partial) {
    try {
      out.force(true);
    } catch (IOException e) {
      throw unwritable(partial, e);
    }
  }

  /** A disk that is full would stay so: what was written goes. */
  private static EmbedException unwritable(Path partial, IOException cause) {
    try {
      Files.deleteIfExists(partial);
    } catch (IOException e) {
      cause.addSuppressed(e);
    }
    return new EmbedException("%s cannot be written: %s".formatted(partial, cause), cause);
  }

  /** Sends a request and follows redirects: for HEAD up to the one that leaves the hub. */
  private <T> HttpResponse<T> send(
      String method, URI first, @Nullable String range, BodyHandler<T> body) throws IOException {
    URI uri = first;
    for (int hop = 0; hop <= REDIRECTS; hop++) {
      var request =
          HttpRequest.newBuilder(uri)
              .timeout(idle)
              .method(method, HttpRequest.BodyPublishers.noBody())
              .header("User-Agent", "ruvector")
              .header("Accept-Encoding", "identity");
      if (range != null) {
        request.header("Range", range);
      }
      if (token != null && isSameOrigin(uri, endpoint)) {
        request.header("Authorization", "Bearer " + token);
      }
      HttpResponse<T> response = send(request.build(), body);
      int status = response.statusCode();
      if (status == 429 || status >= 500) {
        close(response);
        throw new IOException("status %d".formatted(status));
      }
      if (!isRedirect(response)) {
        return response;
      }
      URI next = uri.resolve(header(response, "Location"));
      if (method.equals("HEAD") && !isSameOrigin(next, endpoint)) {
        return response;
      }
      close(response);
      boolean secure = "https".equals(next.getScheme());
      if (!secure && ("https".equals(uri.getScheme()) || !"http".equals(next.getScheme()))) {
        throw new EmbedException(
            "%s: a redirect to %s, which is not https".formatted(plain(uri), plain(next)));
      }
      uri = next;
    }
    throw new EmbedException("%s: more than %d redirects".formatted(plain(first), REDIRECTS));
  }

  private <T> HttpResponse<T> send(HttpRequest request, BodyHandler<T> body) throws IOException {
    try {
      return client.send(request, body);
    } catch (InterruptedException e) {
      throw interrupted(request.uri());
    }
  }

  private static CancellationException interrupted(URI uri) {
    Thread.currentThread().interrupt();
    return new CancellationException("interrupted in " + plain(uri));
  }

  private static void close(HttpResponse<?> response) throws IOException {
    if (response.body() instanceof InputStream stream) {
      stream.close();
    }
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
    T run() throws IOException;
  }

  /** Tries again, after a pause that doubles, what a network may do better the next time. */
  private static <T> T retrying(URI uri, Attempt<T> attempt) throws IOException {
    for (int tried = 1; ; tried++) {
      try {
        return attempt.run();
      } catch (IOException e) {
        if (tried == TRIES) {
          throw new IOException("%s: %s, the last of %d tries".formatted(plain(uri), e, TRIES), e);
        }
      }
      try {
        Thread.sleep(FIRST_PAUSE_MILLIS << (tried - 1));
      } catch (InterruptedException e) {
        throw interrupted(uri);
      }
    }
  }

  /** Closes a stream that nothing comes from: the client has no limit for the body of an answer. */
  private static final class Watch implements AutoCloseable {
    private final AtomicLong heardAt = new AtomicLong(System.nanoTime());
    private final Thread thread;

    Watch(InputStream body, Duration idle) {
      thread =
          Thread.ofVirtual()
              .name("ruvector-download-watch")
              .start(
                  () -> {
                    try {
                      long left = idle.toNanos();
                      while (left > 0) {
                        Thread.sleep(Duration.ofNanos(left));
                        left = heardAt.get() + idle.toNanos() - System.nanoTime();
                      }
                      body.close();
                    } catch (InterruptedException | IOException e) {
                      // The download has ended, one way or the other.
                    }
                  });
    }

    void heard() {
      heardAt.set(System.nanoTime());
    }

    @Override
    public void close() {
      thread.interrupt();
    }
  }
}
