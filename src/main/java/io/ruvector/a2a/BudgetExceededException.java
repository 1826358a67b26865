package io.ruvector.a2a;

import org.jspecify.annotations.Nullable;

/** More tasks than a {@link Budget}, or the agent's own, allows. */
public final class BudgetExceededException extends A2aException {
  private static final long serialVersionUID = 1L;

  BudgetExceededException(String message) {
    super(Code.BUDGET_EXCEEDED, message);
  }

  BudgetExceededException(String message, int rpcCode, @Nullable Object data) {
    super(Code.BUDGET_EXCEEDED, message, rpcCode, data);
  }
}
