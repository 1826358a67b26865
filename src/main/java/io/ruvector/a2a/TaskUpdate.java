package io.ruvector.a2a;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What happened to a task. */
public sealed interface TaskUpdate {
  /** The task's id. */
  String taskId();

  /**
   * The task came to a state.
   *
   * @param taskId the task
   * @param status its state
   * @param isFinal whether this is the last update
   * @param metadata whatever else the agent says of it
   * @param more fields that this version does not know
   */
  record Status(
      String taskId,
      TaskStatus status,
      boolean isFinal,
      Map<String, @Nullable Object> metadata,
      Map<String, @Nullable Object> more)
      implements TaskUpdate {
    /** How far the task has come. */
    public TaskState state() {
      return status.state();
    }
  }

  /**
   * The agent made an artifact, or a piece of one.
   *
   * @param taskId the task
   * @param artifact the piece
   * @param append whether it goes behind the earlier pieces of the artifact with this id, rather
   *     than in their place
   * @param lastChunk whether it is the last piece
   * @param metadata whatever else the agent says of it
   * @param more fields that this version does not know
   */
  record ArtifactUpdate(
      String taskId,
      Artifact artifact,
      boolean append,
      boolean lastChunk,
      Map<String, @Nullable Object> metadata,
      Map<String, @Nullable Object> more)
      implements TaskUpdate {
    /** The text of the piece. */
    public String text() {
      return artifact.text();
    }
  }

  /**
   * Updates are lost here: the agent dropped them because they were not taken fast enough, or the
   * connection broke and the agent could not tell them again. {@link A2aClient#get} tells how the
   * task stands.
   *
   * @param taskId the task
   * @param lost how many, or {@link #UNKNOWN}
   */
  record Gap(String taskId, long lost) implements TaskUpdate {
    /** The agent does not tell how many updates are lost; it may be none. */
    public static final long UNKNOWN = -1;
  }
}
