package io.ruvector.lake;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.RuVectorException.Code;
import io.ruvector.index.Ids;
import io.ruvector.index.PersistException;
import io.ruvector.index.Vectors;
import io.ruvector.oracle.Data;
import io.ruvector.oracle.Seed;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RuLakeBundleTest {
  private static final Target WORDS = Target.of("memory", "words");

  @TempDir Path folder;

  private static RuLakeBundle bundle() {
    return RuLakeBundle.of("memory://words", 4, 42, 20, Generation.of(7));
  }

  private static KeyPair keys() {
    try {
      return KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private Path sidecar() {
    return folder.resolve(RuLakeBundle.FILE_NAME);
  }

  /** Texts with all that a JSON text has to escape, and none of it. */
  private static String text(Random random) {
    var text = new StringBuilder();
    for (int i = random.nextInt(20); i > 0; i--) {
      int[] ranges = {0x20, 0x7f, 0x800, 0x10ffff};
      int point = random.nextInt(ranges[random.nextInt(ranges.length)] + 1);
      boolean surrogate = point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE;
      text.appendCodePoint(surrogate ? '"' : point);
    }
    return text.toString();
  }

  @Test
  void fieldsComeBackFromTextsAndFiles() {
    Random random = Seed.random("bundles");
    KeyPair keys = keys();
    for (int i = 0; i < 100; i++) {
      Generation generation =
          i % 2 == 0 ? Generation.of(random.nextLong()) : Generation.of(text(random));
      int dim = 1 + random.nextInt(8_192);
      long factor = 1 + random.nextInt(1_000);
      RuLakeBundle bundle =
          RuLakeBundle.of(text(random), dim, random.nextLong(), factor, generation);
      if (i % 3 > 0) {
        bundle = bundle.withPiiPolicy(text(random)).withLineageId(text(random));
      }
      if (i % 3 == 2) {
        bundle = bundle.withMemoryClass(text(random)).signedBy(keys.getPrivate());
      }
      assertTrue(bundle.isWitnessValid());
      assertEquals(bundle, RuLakeBundle.fromJson(bundle.toJson()));
      assertEquals(sidecar(), bundle.writeToDir(folder));
      assertEquals(bundle, RuLakeBundle.readFromDir(folder));
      assertEquals(i % 3 == 2, RuLakeBundle.readFromDir(folder).isSignedBy(keys.getPublic()));
    }
  }

  /** With the key of test 1 in RFC 8032; Python made the witness and openssl the signature. */
  @Test
  void theSignedBytesStayTheSame() throws GeneralSecurityException {
    byte[] key =
        HexFormat.of()
            .parseHex(
                "302e020100300506032b657004220420"
                    + "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    var spec = new PKCS8EncodedKeySpec(key);
    RuLakeBundle signed =
        RuLakeBundle.of("file:///a \"b\"\n\u00e9", 4, -1, 20, Generation.of("v1"))
            .withLineageId("job")
            .signedBy(KeyFactory.getInstance("Ed25519").generatePrivate(spec));
    String unsigned = signed.withLineageId("job").toJson();
    assertEquals(
        """
        {
          "format_version": 2,
          "data_ref": "file:///a \\"b\\"\\n\u00e9",
          "dim": 4,
          "rotation_seed": 18446744073709551615,
          "rerank_factor": 20,
          "generation": "v1",
          "rvf_witness": "a1ef1aac621ce3aa8189af3603ca568cbc1d7b63dc5584e7dbf69bbf529fc43d",
          "pii_policy": null,
          "lineage_id": "job"
        }\
        """,
        unsigned);
    assertEquals(
        "9f8f6d9d23b6037aba67838aab0da2d2f5bd86238ff97abf5f58a4d9b8eb417d"
            + "a9f946a1d3180de2a69a23819ac62fb3326130f104717102f34919a38fc19504",
        signed.signature());
  }

  @Test
  void whatIsTamperedWithIsRefused() throws IOException {
    bundle().writeToDir(folder);
    String good = Files.readString(sidecar());
    assertEquals(good, bundle().toJson());
    String[][] cases = {
      {"\"dim\": 4", "\"dim\": 5", "rvf_witness is"},
      {"\"dim\": 4", "\"dim\": 9000", "dim is 9000, allowed: 1 to 8192"},
      {"\"dim\": 4", "\"dim\": 4, \"dim\": 4", "duplicate field"},
      {"\"generation\": 7", "\"generation\": -7", "a whole number of 0 to 2^64 - 1 or a string"},
      {"\"format_version\": 2", "\"format_version\": 3", "supported: 2"},
      {"memory://words", "x".repeat(4_097), "data_ref is 4097 bytes long, allowed: at most 4096"},
      {"\"rerank_factor\": 20", "\"rerank_factor\": 20, \"index_hash\": \"0g\"", "index_hash"},
      {"\"rerank_factor\": 20", "\"rerank_factor\": 20, \"signature\": \"00\"", "128 lower-case"},
      {"}", "} {", "trailing"},
      {good, "[".repeat(10_000), "line 1"},
      {good, "", "EOF"},
    };
    for (String[] each : cases) {
      String bad = good.replace(each[0], each[1]);
      assertNotEquals(good, bad);
      Files.writeString(sidecar(), bad);
      var e = assertThrows(LakeException.class, () -> RuLakeBundle.readFromDir(folder));
      assertEquals(Code.BUNDLE, e.code());
      assertTrue(e.getMessage().contains(each[2]), e.getMessage());
      assertTrue(e.getMessage().contains(RuLakeBundle.FILE_NAME), e.getMessage());
    }
    try (var huge =
        FileChannel.open(sidecar(), StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
      huge.write(java.nio.ByteBuffer.wrap(new byte[1]), 1L << 36);
    }
    var e = assertThrows(LakeException.class, () -> RuLakeBundle.readFromDir(folder));
    assertTrue(e.getMessage().contains("allowed: at most 65536"), e.getMessage());
    Files.delete(sidecar());
    assertThrows(LakeException.class, () -> RuLakeBundle.readFromDir(folder));
    Files.createDirectory(sidecar());
    e = assertThrows(LakeException.class, () -> RuLakeBundle.readFromDir(folder));
    assertTrue(e.getMessage().contains("not a regular file"), e.getMessage());
  }

  @Test
  void whatWouldBeRefusedIsNotWritten() {
    List<RuLakeBundle> bad = new ArrayList<>();
    bad.add(RuLakeBundle.of("x", 0, 1, 20, Generation.of(7)));
    bad.add(RuLakeBundle.of("x", 4, 1, 0, Generation.of(7)));
    bad.add(RuLakeBundle.of("x".repeat(5_000), 4, 1, 20, Generation.of(7)));
    // Within the limit of a text, but not of the file, where each character takes six.
    String escaped = "\u0001".repeat(4_000);
    bad.add(bundle().withPiiPolicy(escaped).withLineageId(escaped).withMemoryClass(escaped));
    RuLakeBundle good = bundle();
    bad.add(RuLakeBundle.fromJson(good.toJson().replace("\"dim\": 4", "\"dim\": 5")));
    for (RuLakeBundle each : bad) {
      var e = assertThrows(LakeException.class, () -> each.writeToDir(folder));
      assertEquals(Code.BUNDLE, e.code());
    }
    assertFalse(bad.getLast().isWitnessValid());
    assertFalse(Files.exists(sidecar()));
    assertThrows(
        IllegalArgumentException.class,
        () -> RuLakeBundle.of("x".repeat(30_000), 4, 1, 20, Generation.of(7)));
  }

  @Test
  void aSignatureIsOfAllFieldsAndOneKey() throws GeneralSecurityException {
    KeyPair keys = keys();
    RuLakeBundle signed = bundle().withLineageId("a").signedBy(keys.getPrivate());
    assertTrue(signed.isSignedBy(keys.getPublic()));
    assertFalse(signed.isSignedBy(keys().getPublic()));
    assertFalse(bundle().isSignedBy(keys.getPublic()));
    assertNull(signed.withLineageId("b").signature());
    String json = signed.toJson();
    String signature = String.valueOf(signed.signature());
    for (String[] each :
        new String[][] {
          {"\"lineage_id\": \"a\"", "\"lineage_id\": \"b\""},
          {"\"rotation_seed\": 42", "\"rotation_seed\": 43"},
          {"\"pii_policy\": null", "\"pii_policy\": \"\""},
          {signature, signature.substring(1) + "0"},
          {signature, "0".repeat(128)},
        }) {
      RuLakeBundle other = RuLakeBundle.fromJson(json.replace(each[0], each[1]));
      assertNotEquals(signed, other);
      assertFalse(other.isSignedBy(keys.getPublic()), each[1]);
    }
    KeyPair rsa = KeyPairGenerator.getInstance("RSA").generateKeyPair();
    assertThrows(IllegalArgumentException.class, () -> bundle().signedBy(rsa.getPrivate()));
    assertThrows(IllegalArgumentException.class, () -> bundle().isSignedBy(rsa.getPublic()));
  }

  private static void refused(
      Code code, String reason, org.junit.jupiter.api.function.Executable call) {
    var e = assertThrows(LakeException.class, call);
    assertEquals(code, e.code());
    assertTrue(e.getMessage().contains(reason), e.getMessage());
  }

  @Test
  void aLakeBelievesTheKeysThatItTrusts() throws IOException {
    Random random = Seed.random("trust");
    float[][] rows = Data.vectors(random, 300, 8);
    KeyPair keys = keys();
    try (var memory = LocalBackend.create("memory");
        var plain = RuLake.builder().build();
        var signing = RuLake.builder().signingKey(keys.getPrivate()).build();
        var trusting = RuLake.builder().trustedKeys(keys().getPublic(), keys.getPublic()).build();
        var others = RuLake.builder().trustedKeys(keys().getPublic()).build()) {
      for (RuLake lake : List.of(plain, signing, trusting, others)) {
        lake.registerBackend(memory);
      }
      memory.replace("words", Vectors.copyOf(rows), Ids.from(0));

      RuLakeBundle unsigned = plain.publishBundle(WORDS, folder);
      assertEquals(unsigned, RuLakeBundle.readFromDir(folder));
      assertEquals(Generation.of(1), unsigned.generation());
      refused(Code.SIGNATURE, "not signed", () -> trusting.refreshFromBundleDir(WORDS, folder));
      plain.saveCacheToDir(WORDS, folder);
      refused(Code.SIGNATURE, "not signed", () -> trusting.warmFromDir(WORDS, folder));

      assertTrue(signing.publishBundle(WORDS, folder).isSignedBy(keys.getPublic()));
      assertEquals(Refresh.UP_TO_DATE, trusting.refreshFromBundleDir(WORDS, folder));
      assertEquals(Refresh.UP_TO_DATE, plain.refreshFromBundleDir(WORDS, folder));
      refused(Code.SIGNATURE, "none of the 1", () -> others.refreshFromBundleDir(WORDS, folder));
      refused(Code.SIGNATURE, "published alone", () -> trusting.warmFromDir(WORDS, folder));

      RuLakeBundle saved = signing.saveCacheToDir(WORDS, folder);
      assertEquals(300, trusting.warmFromDir(WORDS, folder));
      assertEquals(300, plain.warmFromDir(WORDS, folder));
      refused(Code.SIGNATURE, "none of the 1", () -> others.warmFromDir(WORDS, folder));
      refused(
          Code.BUNDLE,
          "data_ref",
          () -> trusting.warmFromDir(Target.of("memory", "other"), folder));

      // Another index of the very same rows and options, and so of the same witness.
      byte[] honest = Files.readAllBytes(folder.resolve("index.rvx"));
      rows[7][0]++;
      memory.replace("words", Vectors.copyOf(rows), Ids.from(0));
      Path forged = folder.resolve("forged");
      plain.search(WORDS, rows[0], 1);
      plain.saveCacheToDir(WORDS, forged);
      Files.copy(
          forged.resolve("index.rvx"),
          folder.resolve("index.rvx"),
          java.nio.file.StandardCopyOption.REPLACE_EXISTING);
      assertEquals(saved, RuLakeBundle.readFromDir(folder));
      var e = assertThrows(PersistException.class, () -> trusting.warmFromDir(WORDS, folder));
      assertTrue(e.getMessage().contains("its hash is not " + saved.indexHash()), e.getMessage());
      // Upstream's file, which no signature covers, does not stand in.
      Files.delete(folder.resolve("index.rvx"));
      assertTrue(Files.exists(folder.resolve("index.rbpx")));
      assertThrows(PersistException.class, () -> trusting.warmFromDir(WORDS, folder));
      Files.write(folder.resolve("index.rvx"), honest);
      assertEquals(300, trusting.warmFromDir(WORDS, folder));
      assertThrows(IllegalArgumentException.class, () -> RuLake.builder().trustedKeys());
    }
  }
}
