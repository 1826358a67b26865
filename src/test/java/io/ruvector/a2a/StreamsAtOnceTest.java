package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many streams of one client. */
@Timeout(120)
class StreamsAtOnceTest {
  private static final int STREAMS = 200;
  private static final int UPDATES = 1_000;

  private static void tellAll(OutputStream out, String task) throws Exception {
    ScriptedServer.events(out);
    for (int i = 0; i <= UPDATES; i++) {
      ScriptedServer.write(
          out,
          """
          event: status
          data: {"id":"%s","status":{"state":"%s"},"final":%s,"metadata":{"i":%d}}

          """
              .formatted(task, i < UPDATES ? "working" : "completed", i == UPDATES, i));
    }
    ScriptedServer.hold();
  }

  /** The updates are those of the stream's own task, in their order. */
  private static int follow(A2aClient agent, String task) {
    int received = 0;
    try (TaskStream updates = agent.stream(TaskSpec.of("stream", "go").id(task))) {
      for (TaskUpdate update : updates) {
        assertEquals(task, update.taskId());
        Object number = ((TaskUpdate.Status) update).metadata().get("i");
        assertEquals(String.valueOf(received), String.valueOf(number));
        received++;
      }
    }
    return received;
  }

  @Test
  void everyUpdateOfEachComes() throws Exception {
    try (var server =
            Recorded.server(
                (request, out) -> {
                  if (request.method().equals("GET")) {
                    tellAll(out, request.path().replaceFirst(".*id=", ""));
                  }
                  ScriptedServer.hold();
                });
        var agent = Recorded.connect(server);
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Integer>> streams = new ArrayList<>();
      for (int i = 0; i < STREAMS; i++) {
        String task = "t" + i;
        streams.add(threads.submit(() -> follow(agent, task)));
      }
      for (Future<Integer> stream : streams) {
        assertEquals(UPDATES + 1, stream.get());
      }
    }
  }
}
