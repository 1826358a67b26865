package io.ruvector.a2a;

import io.ruvector.RuVectorException;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** What an agent does not do, with the kind of the reason in {@link #code()}. */
public class A2aException extends RuVectorException {
  private static final long serialVersionUID = 1L;

  /** The agent's number for it, or null. */
  private final @Nullable Integer rpcCode;

  /** What the agent said of it besides; JSON, which need not be serializable. */
  private final transient @Nullable Object data;

  A2aException(Code code, String message) {
    super(code, message);
    this.rpcCode = null;
    this.data = null;
  }

  A2aException(Code code, String message, @Nullable Throwable cause) {
    super(code, message, cause);
    this.rpcCode = null;
    this.data = null;
  }

  A2aException(Code code, String message, int rpcCode, @Nullable Object data) {
    super(code, message + " (error " + rpcCode + " of the agent)");
    this.rpcCode = rpcCode;
    this.data = data;
  }

  /** The agent's JSON-RPC error code, where it was the agent that refused. */
  public OptionalInt rpcCode() {
    return rpcCode == null ? OptionalInt.empty() : OptionalInt.of(rpcCode);
  }

  /** What the agent said of the error besides its message: JSON, or null. */
  public @Nullable Object data() {
    return data;
  }
}
