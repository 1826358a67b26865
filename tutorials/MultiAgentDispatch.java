import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.ruvector.a2a.A2aClient;
import io.ruvector.a2a.A2aOptions;
import io.ruvector.a2a.Budget;
import io.ruvector.a2a.BudgetExceededException;
import io.ruvector.a2a.CardSignatureInvalidException;
import io.ruvector.a2a.Task;
import io.ruvector.a2a.TaskPolicy;
import io.ruvector.a2a.TaskSpec;
import io.ruvector.a2a.TaskUpdate;
import io.ruvector.a2a.Trust;
import io.ruvector.index.Hit;
import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.lake.LocalBackend;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.Signature;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Work on what a lake finds, done by two agents: the program of tutorial 4. */
public class MultiAgentDispatch {
  static final String[] NOTES = {"cats purr", "dogs bark", "cats climb trees", "fish swim"};
  static final float[][] MEANINGS = {{1, 0, 0}, {0, 1, 0}, {0.9f, 0, 0.3f}, {0, 0.2f, 1}};
  static final float[] QUERY = {1, 0, 0.1f};

  public static void main(String[] args) throws Exception {
    Budget budget = Budget.of(5, Duration.ofMinutes(1));
    A2aOptions options = A2aOptions.defaults().budget(budget);
    TaskPolicy policy = TaskPolicy.none().maxDuration(Duration.ofSeconds(30)).maxCostUsd(0.01);

    try (var shouting = new SmallAgent("shout");
        var counting = new SmallAgent("count");
        var shouter = A2aClient.connect(shouting.uri(), Trust.pinned(shouting.key()), options);
        var counter = A2aClient.connect(counting.uri(), Trust.pinned(counting.key()), options);
        var notes = LocalBackend.create("notes");
        var lake = RuLake.builder().build()) {
      System.out.println("agents: " + shouter.card().name() + ", " + counter.card().name());
      notes.replace("animals", Vectors.copyOf(MEANINGS), Ids.from(0));
      lake.registerBackend(notes);

      List<CompletableFuture<Task>> tasks = new ArrayList<>();
      for (Hit hit : lake.search(Target.of("notes", "animals"), QUERY, 2)) {
        String note = NOTES[(int) hit.id()];
        tasks.add(shouter.sendAsync(TaskSpec.of("shout", note).policy(policy)));
        tasks.add(counter.sendAsync(TaskSpec.of("count", note).policy(policy)));
      }
      for (CompletableFuture<Task> task : tasks) {
        System.out.println("  " + task.join().text());
      }

      System.out.println("followed live");
      try (var updates = shouter.stream(TaskSpec.of("shout", "fish swim"))) {
        for (TaskUpdate update : updates) {
          switch (update) {
            case TaskUpdate.Status status -> System.out.println("  " + status.state());
            case TaskUpdate.ArtifactUpdate piece -> System.out.println("  " + piece.text());
            case TaskUpdate.Gap gap -> System.out.println("  lost " + gap.lost());
          }
        }
      }

      System.out.println("one task too many");
      try {
        counter.send(TaskSpec.of("count", "dogs bark"));
      } catch (BudgetExceededException e) {
        System.out.println("  refused: " + e.code());
      }

      System.out.println("an agent that is not the one");
      try {
        A2aClient.connect(counting.uri(), Trust.pinned(shouting.key())).close();
      } catch (CardSignatureInvalidException e) {
        System.out.println("  refused: " + e.code());
      }
    }
  }

  /** An agent in this process, so that the tutorial needs no network: it signs its card. */
  static final class SmallAgent implements AutoCloseable {
    private final String skill;
    private final KeyPair keys;
    private final HttpServer server;
    private final Map<String, CompletableFuture<String>> made = new ConcurrentHashMap<>();

    SmallAgent(String skill) throws IOException, GeneralSecurityException {
      this.skill = skill;
      keys = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
      server.createContext("/.well-known/agent.json", http -> answer(http, card()));
      server.createContext("/tasks/sendSubscribe", this::follow);
      server.createContext("/", this::work);
      server.start();
    }

    URI uri() {
      return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    PublicKey key() {
      return keys.getPublic();
    }

    /** Signed over its canonical form, in which the members are sorted and there are no spaces. */
    private String card() throws IOException {
      String card =
          "{\"metadata\":{\"ruvector\":{}},\"name\":\"%s\",\"skills\":[{\"id\":\"%s\"}],\"url\":\"%s\"}"
              .formatted(skill + "er", skill, uri());
      try {
        Signature signer = Signature.getInstance("Ed25519");
        signer.initSign(keys.getPrivate());
        signer.update(card.getBytes(StandardCharsets.UTF_8));
        byte[] key = keys.getPublic().getEncoded();
        String signature =
            "{\"alg\":\"ed25519-hex\",\"public_key\":\"%s\",\"signature\":\"%s\"}"
                .formatted(
                    HexFormat.of().formatHex(Arrays.copyOfRange(key, key.length - 32, key.length)),
                    HexFormat.of().formatHex(signer.sign()));
        return card.replace("{\"ruvector\":{}}", "{\"ruvector\":{\"signature\":" + signature + "}}");
      } catch (GeneralSecurityException e) {
        throw new IOException(e);
      }
    }

    private void work(HttpExchange http) throws IOException {
      String call = new String(http.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      if (!http.getRequestMethod().equals("POST")) {
        http.sendResponseHeaders(404, -1);
        http.close();
        return;
      }
      String text = member("text", call);
      String done =
          skill.equals("shout") ? text.toUpperCase() + "!" : text.split(" ").length + " words";
      String artifact = "{\"parts\":[{\"type\":\"text\",\"text\":\"" + done + "\"}]}";
      String task = member("params\":{\"id", call);
      result(task).complete(artifact);
      answer(
          http,
          "{\"id\":\"%s\",\"result\":{\"id\":\"t\",\"status\":{\"state\":\"completed\"},\"artifacts\":[%s]}}"
              .formatted(member("id", call), artifact));
    }

    private CompletableFuture<String> result(String task) {
      return made.computeIfAbsent(task, id -> new CompletableFuture<>());
    }

    private void follow(HttpExchange http) throws IOException {
      String task = http.getRequestURI().getQuery().replace("id=", "");
      http.getResponseHeaders().set("Content-Type", "text/event-stream");
      http.sendResponseHeaders(200, 0);
      try (var out = http.getResponseBody()) {
        out.flush();
        String events =
            "event: artifact\ndata: {\"id\":\"t\",\"artifact\":%s}\n\n".formatted(result(task).join())
                + "event: status\ndata: {\"id\":\"t\",\"status\":{\"state\":\"completed\"},\"final\":true}\n\n";
        out.write(events.getBytes(StandardCharsets.UTF_8));
      }
    }

    private static String member(String name, String json) {
      Matcher member = Pattern.compile("\"" + Pattern.quote(name) + "\":\"([^\"]*)\"").matcher(json);
      return member.find() ? member.group(1) : "";
    }

    private static void answer(HttpExchange http, String json) throws IOException {
      byte[] body = json.getBytes(StandardCharsets.UTF_8);
      http.getResponseHeaders().set("Content-Type", "application/json");
      http.sendResponseHeaders(200, body.length);
      try (var out = http.getResponseBody()) {
        out.write(body);
      }
    }

    @Override
    public void close() {
      server.stop(0);
    }
  }
}
