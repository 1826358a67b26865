package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Against upstream's own server. */
@Timeout(120)
class RvagentServerTest {
  private static RvagentServer server;

  @BeforeAll
  static void start() {
    server = RvagentServer.start();
  }

  @AfterAll
  static void stop() {
    if (server != null) {
      server.close();
    }
  }

  private static TaskSpec stream(int n, int delayMicros) {
    return TaskSpec.of("stream", "go").metadata(Map.of("n", n, "delay_us", delayMicros));
  }

  @Test
  void cardOfTheRealServer() {
    try (var agent = server.connect()) {
      assertEquals(server.agentId(), agent.agentId().orElseThrow());
      assertEquals("echo é😀\t/<>&", agent.card().skill("echo").orElseThrow().description());
    }
    assertThrows(
        CardSignatureInvalidException.class,
        () -> A2aClient.connect(server.uri(), Trust.pinned("0".repeat(64))));
  }

  @Test
  void sendGetCancel() {
    try (var agent = server.connect()) {
      Task task = agent.send(TaskSpec.of("echo", "hello"));
      assertEquals("hello", task.text());
      assertEquals(task.status(), agent.get(task.id()).status());
      assertEquals(TaskState.FAILED, agent.send(TaskSpec.of("fail", "x")).state());
      assertThrows(UnknownTaskException.class, () -> agent.get("nope"));

      TaskSpec slow = TaskSpec.of("slow", "x").metadata(Map.of("ms", 60_000));
      CompletableFuture<Task> sent = agent.sendAsync(slow);
      assertThrows(UnknownTaskException.class, () -> agent.get(slow.id()));
      agent.cancel(slow.id());
      assertEquals(TaskState.CANCELED, sent.join().state());
      assertThrows(
          PolicyViolationException.class,
          () ->
              agent.send(
                  slow.id("s2").policy(TaskPolicy.none().maxDuration(Duration.ofMillis(200)))));
    }
  }

  @Test
  void refusals() {
    try (var agent = server.connect()) {
      assertThrows(
          PolicyViolationException.class,
          () -> agent.send(TaskSpec.of("echo", "x").policy(TaskPolicy.none().maxConcurrency(0))));
      var context = TaskContext.root("a".repeat(64));
      for (int i = 0; i < 10; i++) {
        context = context.child("t" + i, "%064x".formatted(i));
      }
      TaskSpec deep = TaskSpec.of("echo", "x").context(context);
      var refused = assertThrows(RecursionException.class, () -> agent.send(deep));
      assertTrue(String.valueOf(refused.data()).contains("path"), refused.toString());
      try (var updates = agent.stream(deep.id("d2"))) {
        assertThrows(RecursionException.class, () -> updates.iterator().hasNext());
      }
    }
    try (var limited = RvagentServer.start("limited", "9", "2");
        var agent = limited.connect()) {
      agent.send(TaskSpec.of("echo", "1"));
      agent.send(TaskSpec.of("echo", "2"));
      assertThrows(BudgetExceededException.class, () -> agent.send(TaskSpec.of("echo", "3")));
    }
  }

  @Test
  void streamsOneByOneAndAllAtOnce() {
    try (var agent = server.connect()) {
      assertEquals(1_004, count(agent, 1_000, 0));
      List<CompletableFuture<Long>> streams = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        streams.add(A2aClient.async(() -> count(agent, 100, 100)));
      }
      for (CompletableFuture<Long> stream : streams) {
        assertEquals(104, stream.join());
      }
    }
  }

  /** Updates received and lost: what the agent sent, 4 of them besides the statuses. */
  private static long count(A2aClient agent, int n, int delayMicros) {
    long count = 0;
    TaskUpdate last = null;
    try (var updates = agent.stream(stream(n, delayMicros))) {
      for (TaskUpdate update : updates) {
        count += update instanceof TaskUpdate.Gap gap ? gap.lost() : 1;
        last = update;
      }
    }
    assertTrue(last instanceof TaskUpdate.Status status && status.isFinal());
    return count;
  }

  /** The connection of the stream breaks, not the one that gave the task. */
  @Test
  void goesOnBehindAGap() {
    try (var proxy = new CuttingProxy(server.uri().getPort(), "/tasks/sendSubscribe", "step 7");
        var agent = A2aClient.connect(proxy.uri(), Trust.pinned(server.agentId()));
        var updates = agent.stream(stream(40, 10_000))) {
      List<String> steps = new ArrayList<>();
      int gaps = 0;
      TaskUpdate last = null;
      for (TaskUpdate update : updates) {
        if (update instanceof TaskUpdate.Status status && status.status().message() != null) {
          steps.add(status.status().message().text());
        }
        gaps += update instanceof TaskUpdate.Gap ? 1 : 0;
        last = update;
      }
      assertEquals(IntStream.range(0, 40).mapToObj(i -> "step " + i).toList(), steps);
      assertEquals(1, gaps);
      assertTrue(last instanceof TaskUpdate.Status status && status.isFinal());
    }
  }

  @Test
  void resumes() {
    try (var agent = server.connect()) {
      TaskSpec spec = stream(20, 20_000);
      String seen = "";
      try (var updates = agent.stream(spec)) {
        for (TaskUpdate update : updates) {
          if (update instanceof TaskUpdate.Status status && status.metadata().containsKey("i")) {
            seen += status.metadata().get("i") + " ";
            if (seen.startsWith("0 1 2")) {
              break;
            }
          }
        }
      }
      // Closing the stream has not stopped the task, and the server tells all states again.
      List<String> again = new ArrayList<>();
      try (var updates = agent.resubscribe(spec.id())) {
        for (TaskUpdate update : updates) {
          if (update instanceof TaskUpdate.Status status && status.metadata().containsKey("i")) {
            again.add(String.valueOf(status.metadata().get("i")));
          }
        }
      }
      assertFalse(seen.isEmpty());
      assertEquals(20, again.size(), again::toString);
    }
  }
}
