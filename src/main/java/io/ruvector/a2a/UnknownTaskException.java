package io.ruvector.a2a;

import org.jspecify.annotations.Nullable;

/** The agent does not know the task; rvagent's servers know none that still runs. */
public final class UnknownTaskException extends A2aException {
  private static final long serialVersionUID = 1L;

  UnknownTaskException(String message, int rpcCode, @Nullable Object data) {
    super(Code.UNKNOWN_TASK, message, rpcCode, data);
  }
}
