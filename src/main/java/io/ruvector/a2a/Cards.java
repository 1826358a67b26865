package io.ruvector.a2a;

import io.ruvector.a2a.Json.MalformedException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads agents' cards, and refuses those that a {@link Trust} does not take. What comes out of a
 * verified card is what its signature covers, and nothing else.
 */
final class Cards {
  private static final String RVAGENT_ALG = "ed25519-hex";

  private Cards() {}

  /**
   * A card that has passed.
   *
   * @param card what it says
   * @param agentId whose it is, or null where that has no name
   * @param codec how the agent writes
   */
  record Accepted(AgentCard card, @Nullable String agentId, Codec codec) {}

  /** A card of rvagent: signed as it was received, but for the signature itself. */
  static Accepted rvagent(byte[] body, String origin, Trust trust) {
    try {
      Map<String, @Nullable Object> card = Fields.of("the card", Json.parse(body)).rest();
      String agentId = trust.isInsecure() ? null : verifyRvagent(card, origin, trust);
      return new Accepted(read(card, text(card, "url")), agentId, Codec.RVAGENT);
    } catch (MalformedException e) {
      throw malformed(origin, e);
    }
  }

  private static String verifyRvagent(
      Map<String, @Nullable Object> card, String origin, Trust trust) throws MalformedException {
    Map<String, @Nullable Object> metadata = Fields.of("the card", card).map("metadata");
    Map<String, @Nullable Object> ruvector = Fields.of("metadata", metadata).map("ruvector");
    if (!(ruvector.get("signature") instanceof Map<?, ?> signature)) {
      throw new CardSignatureInvalidException(
          origin + ": the card is unsigned: it has no metadata.ruvector.signature");
    }
    if (!signature.keySet().equals(Set.of("alg", "public_key", "signature"))
        || !RVAGENT_ALG.equals(signature.get("alg"))) {
      throw new CardSignatureInvalidException(
          "%s: the card's signature is of another kind, expected: %s"
              .formatted(origin, RVAGENT_ALG));
    }
    byte[] key = hex(origin, signature.get("public_key"), 32);
    byte[] signed = hex(origin, signature.get("signature"), 64);
    var unsigned = new LinkedHashMap<>(card);
    var rest = new LinkedHashMap<>(metadata);
    rest.put("ruvector", Json.without(ruvector, Set.of("signature")));
    unsigned.put("metadata", rest);
    byte[] text = Json.canonical(unsigned).getBytes(StandardCharsets.UTF_8);
    try {
      if (!new JsonWebKey(null, JsonWebKey.ed25519(key)).verifies(text, signed)) {
        throw new CardSignatureInvalidException(
            origin + ": the card's signature is not that of the key in it");
      }
    } catch (GeneralSecurityException e) {
      throw new CardSignatureInvalidException(
          "%s: the card's key is none: %s".formatted(origin, e.getMessage()));
    }
    String agentId = JsonWebKey.agentId(key);
    trust.check(origin, agentId);
    return agentId;
  }

  /** One form only, so that no byte of it can change unseen. */
  private static byte[] hex(String origin, @Nullable Object text, int bytes) {
    if (text instanceof String digits && digits.matches("[0-9a-f]{" + 2 * bytes + "}")) {
      return HexFormat.of().parseHex(digits);
    }
    throw new CardSignatureInvalidException(
        "%s: the card's signature is not written in %d lowercase hexadecimal digits"
            .formatted(origin, 2 * bytes));
  }

  /**
   * A card of the standard: signed by RFC 7515 over its canonical form (RFC 8785), which in version
   * 1.0 has only the fields that this version knows, and none that is empty.
   */
  static Accepted standard(byte[] body, String origin, Trust trust) {
    try {
      Map<String, @Nullable Object> received = Fields.of("the card", Json.parse(body)).rest();
      boolean isV1 = received.containsKey("supportedInterfaces");
      Map<String, @Nullable Object> card =
          isV1
              ? Objects.requireNonNullElse(CardSchema.normalised(received), Map.of())
              : Json.without(received, Set.of("signatures"));
      String agentId = null;
      if (trust.isInsecure()) {
        card = received;
      } else {
        String signed = Json.jcs(card);
        agentId = verifyStandard(received, signed, origin, trust);
        card = Fields.of("the card", Json.parse(signed)).rest();
      }
      return isV1 ? readV1(card, agentId, origin) : readV03(card, agentId, origin);
    } catch (MalformedException e) {
      throw malformed(origin, e);
    }
  }

  private static @Nullable String verifyStandard(
      Map<String, @Nullable Object> received, String signed, String origin, Trust trust)
      throws MalformedException {
    List<Fields> signatures =
        Fields.of("the card", received).list("signatures", signature -> signature);
    if (signatures.isEmpty()) {
      throw new CardSignatureInvalidException(
          origin + ": the card is unsigned: it has no signatures");
    }
    if (trust.keys().isEmpty()) {
      throw new CardSignatureInvalidException(
          origin + ": the card does not carry its key: pin that by Trust.pinned or pinnedJwks");
    }
    String payload =
        Base64.getUrlEncoder()
            .withoutPadding()
            .encodeToString(signed.getBytes(StandardCharsets.UTF_8));
    for (Fields signature : signatures) {
      Optional<JsonWebKey> signer =
          signer(signature.string("protected"), signature.string("signature"), payload, trust);
      if (signer.isPresent()) {
        String agentId = signer.get().agentId();
        return agentId.isEmpty() ? null : agentId;
      }
    }
    throw new CardSignatureInvalidException(
        "%s: none of the card's %d signatures is by a pinned key with ES256 or EdDSA"
            .formatted(origin, signatures.size()));
  }

  private static Optional<JsonWebKey> signer(
      String header, String signature, String payload, Trust trust) {
    String alg;
    String keyId;
    byte[] signed;
    try {
      Fields fields = Fields.of("the header", Json.parse(JsonWebKey.base64Url(header)));
      alg = fields.string("alg");
      keyId = fields.optional("kid");
      // Extensions that must be understood are not.
      if (fields.has("crit") || fields.has("b64")) {
        return Optional.empty();
      }
      signed = JsonWebKey.base64Url(signature);
    } catch (MalformedException | IllegalArgumentException e) {
      return Optional.empty();
    }
    byte[] text = (header + "." + payload).getBytes(StandardCharsets.US_ASCII);
    return trust.keys().stream()
        .filter(key -> key.fits(alg))
        .filter(key -> key.id() == null || keyId == null || key.id().equals(keyId))
        .filter(key -> key.verifies(text, signed))
        .findFirst();
  }

  private static Accepted readV1(
      Map<String, @Nullable Object> card, @Nullable String agentId, String origin)
      throws MalformedException {
    String v1 = null;
    String v03 = null;
    for (Fields at : Fields.of("the card", card).list("supportedInterfaces", at -> at)) {
      String url = at.string("url", "");
      String version = at.string("protocolVersion", "");
      if (at.string("protocolBinding", "").equals("JSONRPC")) {
        if (v1 == null && version.startsWith("1.")) {
          v1 = url;
        } else if (v03 == null && version.startsWith("0.3")) {
          v03 = url;
        }
      }
    }
    String url = v1 != null ? v1 : v03;
    if (url == null) {
      throw new TransportException(
          origin + ": the card lists no JSONRPC interface of version 1.x or 0.3");
    }
    return new Accepted(read(card, url), agentId, v1 != null ? Codec.V1_0 : Codec.V0_3);
  }

  private static Accepted readV03(
      Map<String, @Nullable Object> card, @Nullable String agentId, String origin)
      throws MalformedException {
    Fields fields = Fields.of("the card", card);
    String transport = fields.string("preferredTransport", "JSONRPC");
    if (!transport.equals("JSONRPC")) {
      throw new TransportException(
          "%s: the card prefers %s, expected: JSONRPC".formatted(origin, transport));
    }
    return new Accepted(read(card, fields.string("url")), agentId, Codec.V0_3);
  }

  private static String text(Map<String, @Nullable Object> card, String name)
      throws MalformedException {
    return Fields.of("the card", card).string(name);
  }

  private static AgentCard read(Map<String, @Nullable Object> card, String url)
      throws MalformedException {
    Fields fields = Fields.of("the card", card);
    Object _ = fields.any("signatures");
    if (url.equals(card.get("url"))) {
      fields.any("url");
    }
    AgentCapabilities capabilities = fields.child("capabilities", Cards::capabilities);
    AuthScheme authentication = fields.child("authentication", Cards::authentication);
    if (authentication == null) {
      List<String> schemes = new ArrayList<>(fields.map("securitySchemes").keySet());
      Object described = card.get("securitySchemes");
      authentication =
          new AuthScheme(
              schemes, described == null ? Map.of() : Map.of("securitySchemes", described));
    }
    return new AgentCard(
        fields.string("name", ""),
        fields.string("description", ""),
        url,
        fields.string("version", ""),
        fields.child("provider", Cards::provider),
        capabilities == null ? new AgentCapabilities(false, false, Map.of()) : capabilities,
        fields.list("skills", Cards::skill),
        authentication,
        fields.map("metadata"),
        fields.rest());
  }

  private static AgentCapabilities capabilities(Fields fields) throws MalformedException {
    return new AgentCapabilities(
        fields.flag("streaming"), fields.flag("pushNotifications"), fields.rest());
  }

  private static AuthScheme authentication(Fields fields) throws MalformedException {
    return new AuthScheme(fields.strings("schemes"), fields.rest());
  }

  private static AgentProvider provider(Fields fields) throws MalformedException {
    return new AgentProvider(
        fields.string("organization", ""), fields.optional("url"), fields.rest());
  }

  private static AgentSkill skill(Fields fields) throws MalformedException {
    return new AgentSkill(
        fields.string("id"),
        fields.string("name", ""),
        fields.string("description", ""),
        fields.strings("tags"),
        fields.strings("inputModes"),
        fields.strings("outputModes"),
        fields.rest());
  }

  private static TransportException malformed(String origin, MalformedException e) {
    return new TransportException("%s: the card: %s".formatted(origin, e.getMessage()));
  }
}
