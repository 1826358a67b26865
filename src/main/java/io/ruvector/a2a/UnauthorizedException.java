package io.ruvector.a2a;

import org.jspecify.annotations.Nullable;

/** The agent wants to be told who calls, or does not like the answer. */
public final class UnauthorizedException extends A2aException {
  private static final long serialVersionUID = 1L;

  UnauthorizedException(String message) {
    super(Code.UNAUTHORIZED, message);
  }

  UnauthorizedException(String message, int rpcCode, @Nullable Object data) {
    super(Code.UNAUTHORIZED, message, rpcCode, data);
  }
}
