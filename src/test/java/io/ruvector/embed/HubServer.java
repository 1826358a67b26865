package io.ruvector.embed;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.stream.Stream;

/**
 * A server on this machine that answers as the Hugging Face hub does: small files by itself under
 * their git hash, large ones by a redirect to another host. Alone it serves a folder: {@code java
 * HubServer.java FOLDER}, with a repository's files under {@code FOLDER/org/name}.
 */
final class HubServer implements AutoCloseable {
  static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
  private static final int LARGE = 10_000;

  /** What goes wrong with the answer to one request for content. */
  interface Fault {
    Fault NONE = (exchange, content, from) -> false;

    /** Answers by itself, or tells that it does not. */
    boolean answer(HttpExchange exchange, byte[] content, int from) throws IOException;
  }

  private final HttpServer server;
  private final Map<String, byte[]> files = new ConcurrentHashMap<>();
  private final Map<String, byte[]> large = new ConcurrentHashMap<>();

  /** Method, path and Range of each request. */
  final List<String> requests = new CopyOnWriteArrayList<>();

  /** Host and Authorization of each request. */
  final List<String> tokens = new CopyOnWriteArrayList<>();

  volatile Fault fault = Fault.NONE;

  /** What is put in place of headers of the answers to HEAD. */
  final Map<String, String> headers = new ConcurrentHashMap<>();

  /** What the first requests are answered with, instead of what they ask for. */
  final List<Integer> statuses = new CopyOnWriteArrayList<>();

  HubServer() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    server.createContext("/", this::answer);
    server.start();
  }

  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    var hub = new HubServer();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        Path in = folder.relativize(file);
        String repository = in.subpath(0, 2).toString();
        hub.put(repository, in.subpath(2, in.getNameCount()).toString(), Files.readAllBytes(file));
      }
    }
    System.out.println(hub.endpoint());
    while (System.in.read() >= 0) {}
    hub.close();
  }

  String endpoint() {
    return "http://localhost:" + server.getAddress().getPort();
  }

  private String store() {
    return "http://127.0.0.1:" + server.getAddress().getPort() + "/store/";
  }

  void put(String repository, String file, byte[] content) {
    files.put(repository + "/" + file, content);
    large.put(sha256(content), content);
  }

  static String sha256(byte[] content) {
    return hash("SHA-256", content);
  }

  static String git(byte[] content) {
    byte[] head = ("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII);
    byte[] all = new byte[head.length + content.length];
    System.arraycopy(head, 0, all, 0, head.length);
    System.arraycopy(content, 0, all, head.length, content.length);
    return hash("SHA-1", all);
  }

  private static String hash(String algorithm, byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      String path = exchange.getRequestURI().getPath();
      String range = exchange.getRequestHeaders().getFirst("Range");
      requests.add(exchange.getRequestMethod() + " " + path + (range == null ? "" : " " + range));
      String host = exchange.getRequestHeaders().getFirst("Host").replaceAll(":.*", "");
      tokens.add(host + " " + exchange.getRequestHeaders().getFirst("Authorization"));
      if (!statuses.isEmpty()) {
        exchange.sendResponseHeaders(statuses.removeFirst(), -1);
        return;
      }
      if (path.startsWith("/store/")) {
        content(exchange, large.get(path.substring("/store/".length())));
        return;
      }
      // /org/name/resolve/revision/file, and what the hub redirects some requests to
      String[] parts = path.split("/", 6);
      byte[] content =
          parts.length == 6 ? files.get(parts[1] + "/" + parts[2] + "/" + parts[5]) : null;
      if (content == null) {
        exchange.getResponseHeaders().set("X-Error-Code", "EntryNotFound");
        exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
        exchange.sendResponseHeaders(404, -1);
        return;
      }
      boolean pinned = parts[4].matches("[0-9a-f]{40}");
      set(exchange, "X-Repo-Commit", pinned ? parts[4] : COMMIT);
      if (content.length >= LARGE) {
        set(exchange, "X-Linked-Etag", '"' + sha256(content) + '"');
        set(exchange, "X-Linked-Size", Integer.toString(content.length));
        set(exchange, "Location", store() + sha256(content) + "?signature=secret");
        set(exchange, "ETag", '"' + git(content) + '"');
        exchange.sendResponseHeaders(302, -1);
      } else if (parts[3].equals("resolve")) {
        set(exchange, "Location", path.replace("/resolve/", "/cached/"));
        exchange.sendResponseHeaders(307, -1);
      } else {
        set(exchange, "ETag", "W/\"" + git(content) + '"');
        content(exchange, content);
      }
    }
  }

  private void set(HttpExchange exchange, String name, String value) {
    exchange.getResponseHeaders().set(name, headers.getOrDefault(name, value));
  }

  private void content(HttpExchange exchange, byte[] content) throws IOException {
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.getResponseHeaders().set("Content-Length", Integer.toString(content.length));
      exchange.sendResponseHeaders(200, -1);
      return;
    }
    String range = exchange.getRequestHeaders().getFirst("Range");
    int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
    if (fault.answer(exchange, content, from)) {
      return;
    }
    start(exchange, content, from).write(content, from, content.length - from);
  }

  /** The head of an answer, with the length of all that is asked for. */
  static OutputStream start(HttpExchange exchange, byte[] content, int from) throws IOException {
    if (from > 0) {
      exchange
          .getResponseHeaders()
          .set(
              "Content-Range",
              "bytes %d-%d/%d".formatted(from, content.length - 1, content.length));
    }
    exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length - from);
    return exchange.getResponseBody();
  }

  /** Ends the connection after so many bytes of an answer. */
  static Fault cutAfter(int bytes) {
    return (exchange, content, from) -> {
      start(exchange, content, from).write(content, from, Math.min(bytes, content.length - from));
      return true;
    };
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
