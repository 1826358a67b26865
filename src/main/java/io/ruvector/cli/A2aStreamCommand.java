package io.ruvector.cli;

import io.ruvector.a2a.A2aClient;
import io.ruvector.a2a.Message;
import io.ruvector.a2a.TaskState;
import io.ruvector.a2a.TaskStream;
import io.ruvector.a2a.TaskUpdate;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "stream",
    description = {
      "Give an agent a task, and follow it live.",
      "",
      "As a table, what the agent makes goes to stdout as it comes, and what it says meanwhile to "
          + "stderr. The other formats have a row for each update. The exit code is 1 where the "
          + "task fails."
    },
    footer = {"", "Example:", "  ruvector a2a stream https://peer.example echo hello --trust ID"})
final class A2aStreamCommand implements Callable<Integer> {
  @Mixin private final TaskMixin tasks = new TaskMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() {
    TaskState last = TaskState.UNKNOWN;
    try (A2aClient agent = tasks.connect();
        TaskStream updates = agent.stream(tasks.spec())) {
      Report report = output.report();
      for (TaskUpdate update : updates) {
        if (update instanceof TaskUpdate.Status status) {
          last = status.state();
        }
        if (output.isTable()) {
          show(update);
        } else {
          report.add("updates", row(update));
        }
      }
      if (output.isTable()) {
        output.out().println();
        output.out().flush();
      } else {
        report.finish();
      }
    }
    return AgentMixin.exitCode(last);
  }

  private void show(TaskUpdate update) {
    switch (update) {
      case TaskUpdate.Status status ->
          output.say(AgentMixin.name(status.state()) + Report.plain(said(status, ": ")));
      case TaskUpdate.ArtifactUpdate piece -> {
        output.out().print(Report.plain(piece.text()));
        output.out().flush();
      }
      case TaskUpdate.Gap gap -> output.say(lost(gap) + " updates lost");
    }
  }

  private static String said(TaskUpdate.Status status, String before) {
    Message message = status.status().message();
    return message == null ? "" : before + message.text();
  }

  private static String lost(TaskUpdate.Gap gap) {
    return gap.lost() == TaskUpdate.Gap.UNKNOWN ? "some" : String.valueOf(gap.lost());
  }

  private static Row row(TaskUpdate update) {
    Row row = new Row().put("task", update.taskId());
    return switch (update) {
      case TaskUpdate.Status status ->
          row.put("kind", "status")
              .put("state", AgentMixin.name(status.state()))
              .put("text", said(status, ""))
              .put("lost", null);
      case TaskUpdate.ArtifactUpdate piece ->
          row.put("kind", "artifact")
              .put("state", null)
              .put("text", piece.text())
              .put("lost", null);
      case TaskUpdate.Gap gap ->
          row.put("kind", "gap")
              .put("state", null)
              .put("text", null)
              .put("lost", gap.lost() == TaskUpdate.Gap.UNKNOWN ? null : gap.lost());
    };
  }
}
