package io.ruvector.a2a;

import org.jspecify.annotations.Nullable;

/** The agent cannot be reached, or what it answers is not of its protocol or too large. */
public final class TransportException extends A2aException {
  private static final long serialVersionUID = 1L;

  /** Whether the connection failed, rather than what came over it. */
  private final boolean connection;

  /** Whether it was time that ran out. */
  private final boolean timeout;

  /** What came is not what the protocol asks for. */
  TransportException(String message) {
    super(Code.TRANSPORT, message);
    this.connection = false;
    this.timeout = false;
  }

  /** The connection failed. */
  TransportException(String message, @Nullable Throwable cause) {
    this(message, cause, false);
  }

  private TransportException(String message, @Nullable Throwable cause, boolean timeout) {
    super(Code.TRANSPORT, message, cause);
    this.connection = true;
    this.timeout = timeout;
  }

  /** The connection is there, but silent. */
  static TransportException timeout(String message, @Nullable Throwable cause) {
    return new TransportException(message, cause, true);
  }

  /** Whether another try may fare better. */
  boolean isConnection() {
    return connection;
  }

  boolean isTimeout() {
    return timeout;
  }
}
