package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** An agent behind TLS, whose certificate nobody has signed but itself. */
@Timeout(60)
class TlsTest {
  private static final char[] PASSWORD = "password".toCharArray();
  private static SSLContext itself;

  /** A request; credentials, or null, and where to. */
  private record Request(String credentials, String path) {}

  private final List<Request> requests = new CopyOnWriteArrayList<>();
  private final ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor();
  private HttpsServer server;

  @BeforeAll
  static void makeCertificate(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("keys.p12");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "agent",
                "-keyalg",
                "EC",
                "-groupname",
                "secp256r1",
                "-dname",
                "CN=agent",
                "-ext",
                "san=ip:127.0.0.1",
                "-keystore",
                file.toString(),
                "-storetype",
                "PKCS12",
                "-storepass",
                new String(PASSWORD))
            .redirectErrorStream(true)
            .start();
    String said = new String(keytool.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, keytool.waitFor(), said);
    itself = context(file);
  }

  /** Both sides': the server presents the certificate, the client trusts it. */
  private static SSLContext context(Path file) throws GeneralSecurityException, IOException {
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      keys.load(in, PASSWORD);
    }
    var presented = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    presented.init(keys, PASSWORD);
    KeyStore certificates = KeyStore.getInstance("PKCS12");
    certificates.load(null, null);
    certificates.setCertificateEntry("agent", keys.getCertificate("agent"));
    var trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trusted.init(certificates);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(presented.getKeyManagers(), trusted.getTrustManagers(), null);
    return context;
  }

  @BeforeEach
  void start() throws IOException {
    server = HttpsServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0);
    server.setHttpsConfigurator(new HttpsConfigurator(itself));
    server.setExecutor(executor);
    server.createContext("/", this::answer);
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
    executor.shutdownNow();
  }

  private URI uri() {
    return URI.create("https://127.0.0.1:" + server.getAddress().getPort());
  }

  private void answer(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().toString();
    requests.add(new Request(exchange.getRequestHeaders().getFirst("Authorization"), path));
    String call = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
    if (path.endsWith("/.well-known/agent.json")) {
      say(exchange, 200, "application/json", Recorded.card());
    } else if (path.startsWith("/tasks/sendSubscribe")) {
      say(exchange, 200, "text/event-stream", Recorded.events("sse-live"));
    } else if (call.contains("tasks/send")) {
      String id = call.replaceFirst("(?s).*\"id\":\"(\\d+)\",\"method\".*", "$1");
      String answer = Recorded.body("send-echo").replaceFirst("\"r1\"}$", "\"" + id + "\"}");
      say(exchange, 200, "application/json", answer);
    } else {
      say(exchange, 404, "text/plain", "");
    }
  }

  private static void say(HttpExchange exchange, int status, String type, String body)
      throws IOException {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", type);
    exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.close();
  }

  private static A2aOptions options() {
    return A2aOptions.defaults().bearerToken("secret");
  }

  @Test
  void contextOfTheCaller() {
    try (var agent =
        A2aClient.connect(uri(), Trust.pinned(Recorded.AGENT_ID), options().sslContext(itself))) {
      assertEquals("peer", agent.card().name());
      assertEquals("hello", agent.send(TaskSpec.of("echo", "hello")).text());
      List<TaskUpdate> updates = new ArrayList<>();
      try (var stream = agent.stream(TaskSpec.of("stream", "hello").id("s1"))) {
        stream.forEach(updates::add);
      }
      assertEquals(7, updates.size());
    }
    assertTrue(requests.size() >= 4, requests.toString());
    for (Request request : requests) {
      assertEquals("Bearer secret", request.credentials());
    }
  }

  @Test
  void certificateThatNobodyTrusts() {
    var refused =
        assertThrows(
            TransportException.class,
            () -> A2aClient.connect(uri(), Trust.insecureForTests(), options()));
    assertInstanceOf(SSLException.class, refused.getCause());
    // One who is trusted by the name of another host is as little this one.
    URI byOtherName = URI.create(uri().toString().replace("127.0.0.1", "localhost"));
    A2aOptions trusting = options().sslContext(itself);
    assertThrows(
        TransportException.class,
        () -> A2aClient.connect(byOtherName, Trust.insecureForTests(), trusting));
    assertEquals(List.of(), requests);
  }

  /** The same host without TLS, even the same port, is another origin. */
  @Test
  void redirectsAndCardsToPlainHttp() {
    try (var plain =
        new ScriptedServer((request, out) -> ScriptedServer.json(out, Recorded.card()))) {
      for (String target :
          List.of(plain.uri() + "/x", uri().toString().replace("https", "http") + "/x")) {
        server.removeContext("/");
        server.createContext(
            "/",
            exchange -> {
              exchange.getResponseHeaders().set("Location", target);
              say(exchange, 302, "text/plain", "");
            });
        var refused =
            assertThrows(
                TransportException.class,
                () -> A2aClient.connect(uri(), Trust.anySigned(), options().sslContext(itself)));
        assertTrue(String.valueOf(refused.getMessage()).contains("another origin"));
      }
      String card =
          Recorded.file("standard/card-none.json")
              .replaceAll("http://127.0.0.1:\\d+", plain.uri().toString());
      server.removeContext("/");
      server.createContext("/", exchange -> say(exchange, 200, "application/json", card));
      assertThrows(
          TransportException.class,
          () -> A2aClient.connect(uri(), Trust.insecureForTests(), options().sslContext(itself)));
      assertEquals(List.of(), plain.requests());
    }
  }
}
