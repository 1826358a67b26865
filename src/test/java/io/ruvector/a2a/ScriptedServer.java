package io.ruvector.a2a;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;

/** An HTTP server on loopback that says what a test wants, byte by byte, however wrong. */
public final class ScriptedServer implements AutoCloseable {
  /** A request; the names of headers are in lower case. */
  public record Request(String method, String path, Map<String, String> headers, String body) {
    /** The id of the JSON-RPC call in it. */
    public String id() {
      return body.replaceFirst("(?s).*\"id\":\"(\\d+)\",\"method\".*", "$1");
    }

    public boolean calls(String method) {
      return body.contains("\"method\":\"" + method + "\"");
    }
  }

  /** Answers requests; the connection is closed after each. */
  @FunctionalInterface
  public interface Script {
    void answer(Request request, OutputStream out) throws Exception;
  }

  private final ServerSocket listener;
  private final Script script;
  private final List<Request> requests = new CopyOnWriteArrayList<>();
  private final List<Socket> connections = new CopyOnWriteArrayList<>();

  private ServerSocket listener() {
    return listener;
  }

  public ScriptedServer(Script script) {
    this.script = script;
    try {
      listener = new ServerSocket(0, 1_000, InetAddress.getLoopbackAddress());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    Thread.ofPlatform().daemon().name("scripted-server").start(this::accept);
  }

  public URI uri() {
    return URI.create("http://127.0.0.1:" + listener().getLocalPort());
  }

  /** What was asked for until now. */
  public List<Request> requests() {
    return requests;
  }

  /** How many times a method was called. */
  public long calls(String method) {
    return requests.stream().filter(request -> request.calls(method)).count();
  }

  private void accept() {
    try {
      while (true) {
        Socket connection = listener.accept();
        connection.setTcpNoDelay(true);
        connections.add(connection);
        Thread.ofPlatform().daemon().start(() -> serve(connection));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private void serve(Socket connection) {
    try (connection) {
      Request request = read(connection.getInputStream());
      if (request != null) {
        requests.add(request);
        script.answer(request, connection.getOutputStream());
      }
    } catch (SocketException e) {
      // The client has gone, which may be what the test is about.
    } catch (Exception e) {
      e.printStackTrace();
    } finally {
      connections.remove(connection);
    }
  }

  private static Request read(InputStream in) throws IOException {
    var head = new ByteArrayOutputStream();
    while (!head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
      int b = in.read();
      if (b < 0) {
        return null;
      }
      head.write(b);
    }
    String[] lines = head.toString(StandardCharsets.ISO_8859_1).split("\r\n");
    Map<String, String> headers = new TreeMap<>();
    for (int i = 1; i < lines.length; i++) {
      int colon = lines[i].indexOf(':');
      headers.put(
          lines[i].substring(0, colon).toLowerCase(Locale.ROOT),
          lines[i].substring(colon + 1).strip());
    }
    int length = Integer.parseInt(headers.getOrDefault("content-length", "0"));
    String body = new String(in.readNBytes(length), StandardCharsets.UTF_8);
    return new Request(lines[0].split(" ")[0], lines[0].split(" ")[1], headers, body);
  }

  @Override
  public void close() {
    try {
      listener.close();
      for (Socket connection : connections) {
        connection.close();
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  public static void write(OutputStream out, String text) throws IOException {
    out.write(text.getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  public static void status(OutputStream out, int status, String headers, String body)
      throws IOException {
    write(
        out,
        "HTTP/1.1 %d Said\r\n%sconnection: close\r\ncontent-length: %d\r\n\r\n%s"
            .formatted(status, headers, body.getBytes(StandardCharsets.UTF_8).length, body));
  }

  public static void json(OutputStream out, String body) throws IOException {
    status(out, 200, "content-type: application/json\r\n", body);
  }

  /** The result of a call. */
  public static void result(OutputStream out, Request request, String result) throws IOException {
    json(out, "{\"jsonrpc\":\"2.0\",\"result\":%s,\"id\":\"%s\"}".formatted(result, request.id()));
  }

  /** The head of a stream of events, whose end is that of the connection. */
  public static void events(OutputStream out) throws IOException {
    write(out, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n");
  }

  /** Waits until the client closes the connection, or the test is over. */
  public static void hold() throws InterruptedException {
    Thread.sleep(20_000);
  }
}
