package io.ruvector.a2a;

import org.jspecify.annotations.Nullable;

/** A chain of agents is too long, or meets an agent again; see {@link TaskContext}. */
public final class RecursionException extends A2aException {
  private static final long serialVersionUID = 1L;

  RecursionException(String message, int rpcCode, @Nullable Object data) {
    super(Code.RECURSION_LIMIT, message, rpcCode, data);
  }
}
