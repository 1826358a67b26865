package io.ruvector;

import org.jspecify.annotations.Nullable;

/**
 * The root of what this library throws for reasons other than the misuse of an argument ({@link
 * IllegalArgumentException}) or of a closed object ({@link IllegalStateException}).
 */
public class RuVectorException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The kind of a failure, for callers that branch on it or count it. */
  public enum Code {
    /** A vector's number of components is not the index's. */
    DIMENSION_MISMATCH,
    /** A vector has a component, or a norm, that no index can hold. */
    INVALID_VECTOR,
    /** An id is given twice, or is already in the index. */
    DUPLICATE_ID,
    /** A search on an index without rows. */
    EMPTY_INDEX,
    /** The kind of index, or the file format, cannot do this. */
    UNSUPPORTED,
    /** A file cannot be read or written, or is not what it should be. */
    PERSIST,
    /** A backend that the lake does not have, or no longer. */
    UNKNOWN_BACKEND,
    /** A collection that its backend does not have. */
    UNKNOWN_COLLECTION,
    /** A backend under the id of another one. */
    DUPLICATE_BACKEND,
    /** A backend failed, and nothing cached may stand in for it. */
    BACKEND,
    /** A sidecar cannot be read or written, or tells of something else. */
    BUNDLE,
    /** A sidecar is not signed by a key that the lake trusts. */
    SIGNATURE,
    /** A collection is larger than the lake's cache may be. */
    BUDGET,
    /**
     * A frozen collection was dropped from the cache, and its backend now has another generation.
     */
    PINNED,
    /** Nothing is cached of a collection. */
    NOT_CACHED,
    /** A model cannot be had, read or run. */
    EMBED,
    /** The time given to a search ran out. */
    DEADLINE,
    /** An agent's card is unsigned, or not signed by whom it should be. */
    CARD_SIGNATURE_INVALID,
    /** A task would break, or broke, its policy. */
    POLICY_VIOLATION,
    /** More tasks than a budget allows. */
    BUDGET_EXCEEDED,
    /** A chain of agents is too long, or meets an agent again. */
    RECURSION_LIMIT,
    /** An agent wants to be told who calls. */
    UNAUTHORIZED,
    /** A task that its agent does not know. */
    UNKNOWN_TASK,
    /** An agent cannot be reached, or what it answers is not of its protocol. */
    TRANSPORT,
    /** An agent refused a request for another reason, which its message and number tell. */
    AGENT,
    /** The native code failed in a way that is a fault of this library. */
    PANIC,
    /** An earlier {@link #PANIC} inside a change has made the index unusable. */
    POISONED,
    /** The system has no memory left for the native code. */
    OUT_OF_MEMORY,
    /** The native library cannot be loaded. */
    NATIVE_LIBRARY,
    /** The native code and the Java code disagree, which is a fault of this library. */
    INTERNAL
  }

  /** The kind of this failure. */
  private final Code code;

  /**
   * A failure of a kind.
   *
   * @param code its kind
   * @param message what was expected and what came
   */
  public RuVectorException(Code code, String message) {
    this(code, message, null);
  }

  /**
   * A failure of a kind, with its cause.
   *
   * @param code its kind
   * @param message what was expected and what came
   * @param cause the failure behind it, or null
   */
  public RuVectorException(Code code, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.code = code;
  }

  /** The kind of this failure. */
  public final Code code() {
    return code;
  }
}
