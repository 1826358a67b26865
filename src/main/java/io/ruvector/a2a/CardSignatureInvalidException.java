package io.ruvector.a2a;

/** An agent's card is unsigned, tampered with, or not signed by whom the {@link Trust} asks for. */
public final class CardSignatureInvalidException extends A2aException {
  private static final long serialVersionUID = 1L;

  CardSignatureInvalidException(String message) {
    super(Code.CARD_SIGNATURE_INVALID, message);
  }
}
