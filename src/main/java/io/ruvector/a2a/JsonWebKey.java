package io.ruvector.a2a;

import io.ruvector.a2a.Json.MalformedException;
import io.ruvector.internal.Checks;
import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.EdECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.EdECPoint;
import java.security.spec.EdECPublicKeySpec;
import java.security.spec.NamedParameterSpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A public key that a card may be signed by.
 *
 * @param id what its set calls it, or null
 * @param key the key: Ed25519, or of P-256
 */
record JsonWebKey(@Nullable String id, PublicKey key) {
  private static final int ED25519_BYTES = 32;
  private static final int P256_BYTES = 32;

  static JsonWebKey of(PublicKey key) {
    boolean known =
        switch (key) {
          case EdECPublicKey ed -> ed.getParams().getName().equals("Ed25519");
          case ECPublicKey ec -> ec.getParams().getOrder().equals(P256.SPEC.getOrder());
          default -> false;
        };
    if (!known) {
      throw Checks.illegal("key", key.getAlgorithm(), "Ed25519 or a key of the curve P-256");
    }
    return new JsonWebKey(null, key);
  }

  /** The keys of use in a JSON Web Key Set. */
  static List<JsonWebKey> set(String jwks) {
    List<JsonWebKey> keys = new ArrayList<>();
    try {
      for (Fields key : Fields.of("the key set", Json.parse(jwks)).list("keys", key -> key)) {
        JsonWebKey known = read(key);
        if (known != null) {
          keys.add(known);
        }
      }
    } catch (MalformedException | GeneralSecurityException | IllegalArgumentException e) {
      throw new IllegalArgumentException("jwks: " + e.getMessage(), e);
    }
    if (keys.isEmpty()) {
      throw new IllegalArgumentException("jwks has no key of use: Ed25519 or ES256");
    }
    return keys;
  }

  private static @Nullable JsonWebKey read(Fields fields)
      throws MalformedException, GeneralSecurityException {
    String id = fields.optional("kid");
    return switch (fields.string("kty") + " " + fields.string("crv", "")) {
      case "OKP Ed25519" -> new JsonWebKey(id, ed25519(base64Url(fields.string("x"))));
      case "EC P-256" ->
          new JsonWebKey(id, p256(base64Url(fields.string("x")), base64Url(fields.string("y"))));
      default -> null;
    };
  }

  /** The key of Ed25519 that these bytes are (RFC 8032). */
  static PublicKey ed25519(byte[] bytes) throws GeneralSecurityException {
    if (bytes.length != ED25519_BYTES) {
      throw new GeneralSecurityException(
          "a key of %d bytes, expected: %d".formatted(bytes.length, ED25519_BYTES));
    }
    byte[] bigEndian = new byte[ED25519_BYTES];
    for (int i = 0; i < ED25519_BYTES; i++) {
      bigEndian[i] = bytes[ED25519_BYTES - 1 - i];
    }
    boolean odd = bigEndian[0] < 0;
    bigEndian[0] &= 0x7f;
    var point = new EdECPoint(odd, new BigInteger(1, bigEndian));
    return KeyFactory.getInstance("Ed25519")
        .generatePublic(new EdECPublicKeySpec(NamedParameterSpec.ED25519, point));
  }

  private static final class P256 {
    static final ECParameterSpec SPEC = spec();

    private static ECParameterSpec spec() {
      try {
        AlgorithmParameters parameters = AlgorithmParameters.getInstance("EC");
        parameters.init(new ECGenParameterSpec("secp256r1"));
        return parameters.getParameterSpec(ECParameterSpec.class);
      } catch (GeneralSecurityException e) {
        throw new AssertionError("every JDK has P-256", e);
      }
    }
  }

  private static PublicKey p256(byte[] x, byte[] y) throws GeneralSecurityException {
    if (x.length != P256_BYTES || y.length != P256_BYTES) {
      throw new GeneralSecurityException("a point of P-256 that is not 32 bytes by 32 bytes");
    }
    var point = new ECPoint(new BigInteger(1, x), new BigInteger(1, y));
    return KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, P256.SPEC));
  }

  /** The bytes of text that is base64url by the letter: no padding, no spare bits. */
  static byte[] base64Url(String text) {
    byte[] bytes = Base64.getUrlDecoder().decode(text);
    if (!Base64.getUrlEncoder().withoutPadding().encodeToString(bytes).equals(text)) {
      throw new IllegalArgumentException("base64url that is not in its one form");
    }
    return bytes;
  }

  /** The name that rvagent gives the owner of a key of Ed25519; other keys have none. */
  String agentId() {
    if (!(key instanceof EdECPublicKey)) {
      return "";
    }
    // X.509 puts the 32 bytes last.
    byte[] encoded = key.getEncoded();
    byte[] bytes = new byte[ED25519_BYTES];
    System.arraycopy(encoded, encoded.length - ED25519_BYTES, bytes, 0, ED25519_BYTES);
    return agentId(bytes);
  }

  static String agentId(byte[] ed25519) {
    return HexFormat.of().formatHex(Shake256.hash(ed25519, 32));
  }

  /** Whether this key can make signatures of an algorithm of RFC 7518 or RFC 8037. */
  boolean fits(String alg) {
    return switch (alg) {
      case "EdDSA", "Ed25519" -> key instanceof EdECPublicKey;
      case "ES256" -> key instanceof ECPublicKey;
      default -> false;
    };
  }

  /** Whether a signature of a text was made by this key's owner. */
  boolean verifies(byte[] text, byte[] signature) {
    try {
      Signature verifier =
          Signature.getInstance(
              key instanceof EdECPublicKey ? "Ed25519" : "SHA256withECDSAinP1363Format");
      verifier.initVerify(key);
      verifier.update(text);
      return verifier.verify(signature);
    } catch (GeneralSecurityException e) {
      // A signature of the wrong length, or a key that is no point of its curve.
      return false;
    }
  }
}
