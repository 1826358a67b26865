package io.ruvector.a2a;

/** Who wrote a {@link Message}. */
public enum Role {
  /** Whoever gives the task. */
  USER,
  /** The agent that works on it. */
  AGENT
}
