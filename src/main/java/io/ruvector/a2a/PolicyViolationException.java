package io.ruvector.a2a;

import org.jspecify.annotations.Nullable;

/** A task would break its {@link TaskPolicy}, or has taken longer than that allows. */
public final class PolicyViolationException extends A2aException {
  private static final long serialVersionUID = 1L;

  PolicyViolationException(String message) {
    super(Code.POLICY_VIOLATION, message);
  }

  PolicyViolationException(String message, int rpcCode, @Nullable Object data) {
    super(Code.POLICY_VIOLATION, message, rpcCode, data);
  }
}
