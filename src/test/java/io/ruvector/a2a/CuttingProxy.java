package io.ruvector.a2a;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** Between a client and a server on loopback; one connection breaks when it has said something. */
final class CuttingProxy implements AutoCloseable {
  private final ServerSocket listener;
  private final int port;
  private final String request;
  private final String answer;

  /**
   * Listens.
   *
   * @param port the server's
   * @param request what is asked on the connection that breaks
   * @param answer what has been answered when it does
   */
  CuttingProxy(int port, String request, String answer) {
    this.port = port;
    this.request = request;
    this.answer = answer;
    try {
      listener = new ServerSocket(0, 100, InetAddress.getLoopbackAddress());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    Thread.ofPlatform().daemon().name("cutting-proxy").start(this::accept);
  }

  URI uri() {
    return URI.create("http://127.0.0.1:" + listener.getLocalPort());
  }

  private void accept() {
    try {
      while (true) {
        Socket client = listener.accept();
        var server = new Socket(InetAddress.getLoopbackAddress(), port);
        var asked = new ByteArrayOutputStream();
        var answered = new ByteArrayOutputStream();
        copy(client, server, asked, () -> false);
        copy(
            server,
            client,
            answered,
            () ->
                asked.toString(StandardCharsets.UTF_8).contains(request)
                    && answered.toString(StandardCharsets.UTF_8).contains(answer));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  /** Whether to go on. */
  private interface Cut {
    boolean isDue();
  }

  private static void copy(Socket from, Socket to, ByteArrayOutputStream seen, Cut cut) {
    Thread.ofPlatform()
        .daemon()
        .start(
            () -> {
              try (from;
                  to) {
                InputStream in = from.getInputStream();
                OutputStream out = to.getOutputStream();
                byte[] buffer = new byte[8192];
                for (int n = in.read(buffer); n >= 0 && !cut.isDue(); n = in.read(buffer)) {
                  seen.write(buffer, 0, n);
                  out.write(buffer, 0, n);
                }
              } catch (IOException e) {
                // One of the two has gone.
              }
            });
  }

  @Override
  public void close() {
    try {
      listener.close();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
