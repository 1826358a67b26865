package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Gate G2, as far as a test may: a stream beside searches loses nothing and holds up no virtual
 * thread, though there is but one carrier for all of them.
 */
@Timeout(400)
class ThreadsTest {
  /** Rounds that a busy machine may spoil. */
  private static final int ROUNDS = 8;

  /** An agent that makes 1,000 updates, one each millisecond. */
  private static void pace(OutputStream out) throws IOException {
    ScriptedServer.events(out);
    long start = System.nanoTime();
    for (int i = 0; i < 1_000; i++) {
      long wait = start + i * 1_000_000L - System.nanoTime();
      if (wait > 0) {
        LockSupport.parkNanos(wait);
      }
      ScriptedServer.write(
          out,
          """
          event: status
          data: {"id":"t","status":{"state":"working","timestamp":"2026-11-23T14:27:33.%06dZ"},"final":false,"metadata":{"i":%d}}

          """
              .formatted(i, i));
    }
    ScriptedServer.write(
        out,
        "event: status\n"
            + "data: {\"id\":\"t\",\"status\":{\"state\":\"completed\"},\"final\":true}\n\n");
  }

  private static ScriptedServer paced() {
    return Recorded.server(
        (request, out) -> {
          if (request.method().equals("GET")) {
            pace(out);
          }
          ScriptedServer.hold();
        });
  }

  /** What {@link StreamBesideSearches} counted. */
  private record Counted(double beats, double control, long updates, long lost, long searches) {
    /** Of the beats that a thread of the system could make, on this machine at this time. */
    double share() {
      return beats / Math.min(1, Math.max(control, 0.01));
    }
  }

  private static Counted run(String... agent) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    // In its few seconds the second compiler would take the cores that the threads are to have.
    command.add("-XX:TieredStopAtLevel=1");
    command.add("-Djdk.virtualThreadScheduler.parallelism=1");
    command.add("-Djdk.virtualThreadScheduler.maxPoolSize=1");
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(StreamBesideSearches.class.getName());
    command.addAll(List.of(agent));
    Process child =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    if (!child.waitFor(60, TimeUnit.SECONDS)) {
      child.destroyForcibly();
      fail("it did not end");
    }
    String out = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, child.exitValue(), out);
    String[] words = out.strip().split(" ");
    return new Counted(
        Double.parseDouble(words[0]),
        Double.parseDouble(words[1]),
        Long.parseLong(words[2]),
        Long.parseLong(words[3]),
        Long.parseLong(words[4]));
  }

  @Test
  void streamAndSearchesLeaveTheCarrierFree() throws Exception {
    try (var server = paced()) {
      Counted counted;
      int round = 0;
      do {
        counted = run(server.uri().toString(), Recorded.AGENT_ID);
        assertEquals(1_001, counted.updates());
        assertEquals(0, counted.lost());
        assertTrue(counted.searches() > 0);
      } while (counted.share() < 0.8 && ++round < ROUNDS);
      assumeTrue(
          counted.share() >= 0.8 || counted.control() >= 0.97,
          "the machine is too busy: a thread of the system missed beats too: " + counted);
      assertTrue(counted.share() >= 0.8, counted.toString());
    }
  }

  /** The same with native calls of 5 ms on a virtual thread: the beats tell. */
  @Test
  void downcallsOnVirtualThreadsAreSeen() throws Exception {
    Counted counted = run();
    assertTrue(counted.beats() < 0.8 && counted.share() < 0.8, counted.toString());
  }
}
