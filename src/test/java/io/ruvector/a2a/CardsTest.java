package io.ruvector.a2a;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.oracle.Seed;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CardsTest {
  private static final String ORIGIN = "http://127.0.0.1:80";

  /** Reads a card of one of the dialects. */
  private interface Reading {
    Cards.Accepted read(byte[] body, String origin, Trust trust);
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static Cards.Accepted rvagent(String card, Trust trust) {
    return Cards.rvagent(utf8(card), ORIGIN, trust);
  }

  private static Cards.Accepted standard(String card, Trust trust) {
    return Cards.standard(utf8(card), ORIGIN, trust);
  }

  private static void refused(Runnable reading, String reason) {
    var refused = assertThrows(CardSignatureInvalidException.class, reading::run);
    assertTrue(String.valueOf(refused.getMessage()).contains(reason), refused.getMessage());
  }

  private static KeyPair ed25519() throws GeneralSecurityException {
    return KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
  }

  private static KeyPair p256() throws GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    return generator.generateKeyPair();
  }

  private static byte[] sign(String algorithm, KeyPair keys, String text)
      throws GeneralSecurityException {
    Signature signer = Signature.getInstance(algorithm);
    signer.initSign(keys.getPrivate());
    signer.update(utf8(text));
    return signer.sign();
  }

  private static byte[] rawKey(PublicKey key) {
    byte[] encoded = key.getEncoded();
    return Arrays.copyOfRange(encoded, encoded.length - 32, encoded.length);
  }

  private static String base64Url(byte[] bytes) {
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  @Test
  void upstreamsCardIsVerifiedAsReceived() {
    Cards.Accepted accepted = rvagent(Recorded.card(), Trust.pinned(Recorded.AGENT_ID));
    assertEquals(Recorded.AGENT_ID, accepted.agentId());
    AgentCard card = accepted.card();
    assertEquals("peer", card.name());
    assertEquals(new AgentCapabilities(true, true, Map.of()), card.capabilities());
    assertEquals("echo é😀\t/<>&", card.skill("echo").orElseThrow().description());
    Map<?, ?> ruvector = (Map<?, ?>) card.metadata().get("ruvector");
    assertEquals("1.0", String.valueOf(ruvector.get("one")));
    assertEquals("1e+21", String.valueOf(ruvector.get("big")));
    assertEquals(1.0, ((Number) ruvector.get("one")).doubleValue());
    // White space and the order of members are not signed.
    String spaced = Recorded.card().replace(",\"metadata\"", " ,\n\"metadata\"");
    assertEquals(card, rvagent(spaced, Trust.anySigned()).card());
  }

  @Test
  void whoIsNotTrusted() throws GeneralSecurityException {
    String card = Recorded.card();
    refused(() -> rvagent(card, Trust.pinned("0".repeat(64))), "not pinned");
    PublicKey other = ed25519().getPublic();
    refused(() -> rvagent(card, Trust.pinned(other)), "not pinned");
    refused(
        () -> rvagent(card.replaceFirst("\"signature\"", "\"x\""), Trust.anySigned()), "unsigned");
    refused(
        () -> rvagent(card.replace("\"name\":\"peer\"", "\"name\":\"pear\""), Trust.anySigned()),
        "not that of the key");
    refused(() -> rvagent(card.replace("1e+21", "1e21"), Trust.anySigned()), "not that of the key");
    assertEquals(
        "pear",
        rvagent(card.replace("\"name\":\"peer\"", "\"name\":\"pear\""), Trust.insecureForTests())
            .card()
            .name());
    for (Object[] change :
        new Object[][] {
          {"ed25519-hex", "none"},
          {"bb42f5a0", "BB42F5A0"},
          {"\"public_key\":\"ea4a6c", "\"public_key\":\"EA4A6C"},
          {"\"public_key\"", "\"more\":1,\"public_key\""}
        }) {
      assertThrows(
          CardSignatureInvalidException.class,
          () -> rvagent(card.replace((String) change[0], (String) change[1]), Trust.anySigned()));
    }
    String twice = card.replace("\"one\":1.0", "\"one\":1.0,\"one\":1.0");
    assertThrows(TransportException.class, () -> rvagent(twice, Trust.anySigned()));
    assertThrows(IllegalArgumentException.class, () -> Trust.pinned("BB".repeat(32)));
  }

  @Test
  void onFirstUse(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("agents");
    for (TrustStore store : List.of(TrustStore.inMemory(), TrustStore.file(file))) {
      Trust trust = Trust.onFirstUse(store);
      rvagent(Recorded.card(), trust);
      rvagent(Recorded.card(), trust);
      String impostor = signedRvagent(ed25519());
      refused(() -> rvagent(impostor, trust), "was there first");
      Cards.rvagent(utf8(impostor), "http://elsewhere:80", trust);
      refused(() -> Cards.rvagent(utf8(Recorded.card()), "http://elsewhere:80", trust), "first");
    }
    assertEquals(2, Files.readAllLines(file).size());
    refused(
        () -> rvagent(signedByNewKey(), Trust.onFirstUse(TrustStore.file(file))),
        "was there first");
  }

  private static String signedByNewKey() {
    try {
      return signedRvagent(ed25519());
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  /** A small card, as upstream signs it; what is signed is written out, not computed. */
  private static String signedRvagent(KeyPair keys) throws GeneralSecurityException {
    String text = "{\"metadata\":{\"ruvector\":{\"n\":1.0}},\"name\":\"\\té\",\"url\":\"a\"}";
    String signature =
        "{\"alg\":\"ed25519-hex\",\"public_key\":\"%s\",\"signature\":\"%s\"}"
            .formatted(
                HexFormat.of().formatHex(rawKey(keys.getPublic())),
                HexFormat.of().formatHex(sign("Ed25519", keys, text)));
    return text.replace("\"n\":1.0", "\"n\":1.0,\"signature\":" + signature);
  }

  /** A small card of the standard, with fields and spellings that are not signed. */
  private static String signedStandard(String alg, KeyPair keys) throws GeneralSecurityException {
    String payload =
        "{\"capabilities\":{\"extensions\":[{\"params\":{\"n\":1}}]},\"name\":\"é\","
            + "\"supportedInterfaces\":[{\"protocolBinding\":\"JSONRPC\",\"protocolVersion\":\"1.\"}]}";
    return signed(payload, alg, keys).replaceFirst("^\\{", "{\"url\":\"x\",\"skills\":[],");
  }

  /** The same of version 0.3, where all fields are signed. */
  private static String signedV03(KeyPair keys) throws GeneralSecurityException {
    return signed("{\"name\":\"é\",\"skills\":[],\"url\":\"x\",\"x\":{\"n\":1}}", "EdDSA", keys);
  }

  private static String signed(String payload, String alg, KeyPair keys)
      throws GeneralSecurityException {
    String header = base64Url(utf8("{\"alg\":\"" + alg + "\"}"));
    String algorithm = alg.equals("ES256") ? "SHA256withECDSAinP1363Format" : "Ed25519";
    byte[] signature = sign(algorithm, keys, header + "." + base64Url(utf8(payload)));
    return payload.replace("\"n\":1", "\"n\":1.0").replaceFirst("}$", "")
        + ",\"signatures\":[{\"protected\":\"%s\",\"signature\":\"%s\"}]}"
            .formatted(header, base64Url(signature));
  }

  /**
   * Changes each byte in some ways: what is not refused has to say the same, by the same agent and
   * in the same dialect.
   */
  private static void changeEveryByte(Reading reading, String signed, Trust trust, int[] changes) {
    byte[] bytes = utf8(signed);
    Cards.Accepted original = reading.read(bytes, ORIGIN, trust);
    var accepted = new AtomicLong();
    IntStream.range(0, bytes.length)
        .parallel()
        .forEach(
            at -> {
              byte[] changed = bytes.clone();
              for (int change : changes) {
                changed[at] = (byte) (bytes[at] ^ change);
                Cards.Accepted read;
                try {
                  read = reading.read(changed, ORIGIN, trust);
                } catch (CardSignatureInvalidException | TransportException e) {
                  continue;
                }
                accepted.incrementAndGet();
                assertEquals(
                    original, read, () -> "byte %d ^ %d of %s".formatted(at, change, signed));
              }
            });
    // Were none accepted, the comparison would have seen nothing.
    assertTrue(accepted.get() > 0 || changes.length < ALL.length, "no change at all was harmless");
  }

  private static final int[] ALL = IntStream.range(1, 256).toArray();
  private static final int[] BITS = {1, 2, 4, 8, 16, 32, 64, 128};

  /** For cards that are large, each with another bit in another run. */
  private static int[] oneBit() {
    return new int[] {1 << Seed.random("everyByte").nextInt(8)};
  }

  @Test
  void everyByteOfRvagentsCard() throws GeneralSecurityException {
    String signed = signedRvagent(ed25519()).replaceFirst("^\\{", "{ ");
    changeEveryByte(Cards::rvagent, signed, Trust.anySigned(), ALL);
    String recorded = Recorded.card().replaceFirst("^\\{", "{ ");
    changeEveryByte(Cards::rvagent, recorded, Trust.anySigned(), oneBit());
  }

  /** Of one algorithm and version all values; the others differ in what reads these alone. */
  @Test
  void everyByteOfTheStandardsCard() throws GeneralSecurityException {
    KeyPair ed = ed25519();
    Trust trust = Trust.pinned(ed.getPublic());
    changeEveryByte(Cards::standard, signedStandard("EdDSA", ed), trust, ALL);
    changeEveryByte(Cards::standard, signedV03(ed), trust, BITS);
    KeyPair ec = p256();
    Trust other = Trust.pinned(ec.getPublic());
    changeEveryByte(Cards::standard, signedStandard("ES256", ec), other, BITS);
    for (String alg : List.of("ES256", "EdDSA")) {
      String recorded = Recorded.file("standard/card-" + alg + ".json");
      Trust pinned = Trust.pinnedJwks(Recorded.file("standard/keys-" + alg + ".json"));
      changeEveryByte(Cards::standard, recorded, pinned, oneBit());
    }
  }

  /** Cards that a2a-sdk signed and served, with fields for older clients in between. */
  @ParameterizedTest
  @ValueSource(strings = {"ES256", "EdDSA"})
  void officialSdksCard(String alg) {
    String card = Recorded.file("standard/card-" + alg + ".json");
    Trust trust = Trust.pinnedJwks(Recorded.file("standard/keys-" + alg + ".json"));
    Cards.Accepted accepted = standard(card, trust);
    assertEquals(Codec.V1_0, accepted.codec());
    assertEquals("standard", accepted.card().name());
    assertEquals(List.of("bearer"), accepted.card().authentication().schemes());
    assertEquals(6, accepted.card().skills().size());
    // What was added after the signature is not taken over.
    assertTrue(card.contains("preferredTransport"));
    assertTrue(!accepted.card().more().containsKey("preferredTransport"));

    refused(() -> standard(card.replace("1.2.3", "1.2.4"), trust), "none of the card's");
    String otherKey =
        Recorded.file("standard/keys-%s.json".formatted(alg.equals("ES256") ? "EdDSA" : "ES256"));
    refused(() -> standard(card, Trust.pinnedJwks(otherKey)), "none of the card's");
    String otherName = Recorded.file("standard/keys-" + alg + ".json").replace("k1", "k2");
    refused(() -> standard(card, Trust.pinnedJwks(otherName)), "none of the card's");
    refused(() -> standard(card, Trust.anySigned()), "does not carry its key");
    refused(() -> standard(card, Trust.pinned(Recorded.AGENT_ID)), "does not carry its key");
    refused(() -> standard(Recorded.file("standard/card-none.json"), trust), "unsigned");
    assertEquals(
        "standard",
        standard(Recorded.file("standard/card-none.json"), Trust.insecureForTests()).card().name());
  }

  @Test
  void headersThatAreNotTaken() throws GeneralSecurityException {
    KeyPair keys = ed25519();
    String payload =
        "{\"name\":\"a\",\"supportedInterfaces\":[{\"protocolBinding\":\"JSONRPC\","
            + "\"protocolVersion\":\"1.0\",\"url\":\"http://a\"}]}";
    for (String header :
        List.of(
            "{\"alg\":\"none\"}",
            "{\"alg\":\"HS256\"}",
            "{\"alg\":\"ES256\"}",
            "{\"alg\":\"EdDSA\",\"crit\":[\"b64\"],\"b64\":false}",
            "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}",
            "{}")) {
      String encoded = base64Url(utf8(header));
      byte[] signature = sign("Ed25519", keys, encoded + "." + base64Url(utf8(payload)));
      String card =
          payload.replaceFirst("}$", "")
              + ",\"signatures\":[{\"protected\":\"%s\",\"signature\":\"%s\"}]}"
                  .formatted(encoded, base64Url(signature));
      refused(() -> standard(card, Trust.pinned(keys.getPublic())), "none of the card's");
    }
  }

  @Test
  void keySetsThatAreRefused() throws GeneralSecurityException {
    for (String bad :
        List.of(
            "",
            "{}",
            "{\"keys\":[]}",
            "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}]}",
            "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"}]}",
            "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}]}")) {
      assertThrows(IllegalArgumentException.class, () -> Trust.pinnedJwks(bad), bad);
    }
    PublicKey rsa = KeyPairGenerator.getInstance("RSA").generateKeyPair().getPublic();
    assertThrows(IllegalArgumentException.class, () -> Trust.pinned(rsa));
  }

  @Test
  void cardsThatAreNone() {
    for (String bad : List.of("", "[]", "{\"name\":1}", "{\"supportedInterfaces\":[]}")) {
      assertThrows(TransportException.class, () -> standard(bad, Trust.insecureForTests()), bad);
    }
    assertThrows(TransportException.class, () -> rvagent("{}", Trust.insecureForTests()));
  }
}
