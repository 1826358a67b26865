package io.ruvector.a2a;

/** How far a task has come. */
public enum TaskState {
  /** The agent has it. */
  SUBMITTED,
  /** The agent works on it. */
  WORKING,
  /** The agent waits for another message. */
  INPUT_REQUIRED,
  /** The agent waits for credentials. */
  AUTH_REQUIRED,
  /** Done. */
  COMPLETED,
  /** Stopped, because somebody asked for that. */
  CANCELED,
  /** Given up by the agent. */
  FAILED,
  /** Never begun by the agent. */
  REJECTED,
  /** A state that this version does not know. */
  UNKNOWN;

  /** Whether no other state follows. */
  public boolean isFinal() {
    return switch (this) {
      case COMPLETED, CANCELED, FAILED, REJECTED -> true;
      case SUBMITTED, WORKING, INPUT_REQUIRED, AUTH_REQUIRED, UNKNOWN -> false;
    };
  }

  /** Whether the agent waits for whoever gave the task. */
  public boolean isInterrupted() {
    return this == INPUT_REQUIRED || this == AUTH_REQUIRED;
  }
}
