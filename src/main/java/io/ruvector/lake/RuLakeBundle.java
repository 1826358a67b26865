package io.ruvector.lake;

import io.ruvector.internal.Checks;
import io.ruvector.internal.NativeBundle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.util.HexFormat;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The sidecar {@code table.rulake.json}: where a table's vectors are, in which state, and how
 * caches of them are built. {@link RuLake#publishBundle} writes it, {@link
 * RuLake#refreshFromBundleDir} and {@link RuLake#warmFromDir} read it.
 *
 * <p>The witness covers {@code dataRef}, {@code dim}, {@code rotationSeed}, {@code rerankFactor}
 * and {@code generation}. It finds damage and mix-ups, not an attacker, who can compute it too; a
 * signature by Ed25519 covers all fields.
 *
 * {@snippet lang=java :
 * var keys = java.security.KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
 * var dir = java.nio.file.Path.of("words.lake");
 * RuLakeBundle bundle = RuLakeBundle.readFromDir(dir).withLineageId("job 7");
 * bundle.signedBy(keys.getPrivate()).writeToDir(dir);
 * boolean ours = RuLakeBundle.readFromDir(dir).isSignedBy(keys.getPublic());
 * }
 *
 * <p>A text of it takes at most 4,096 bytes of UTF-8, a sidecar 65,536. Fields out of range are
 * refused where a sidecar is read or written.
 *
 * @param dataRef the URI of the data
 * @param dim components of a vector, 1 to 8,192
 * @param rotationSeed the seed of the rotation that caches use
 * @param rerankFactor candidates compared exactly, over k; 1 or more
 * @param generation the state of the data
 * @param witness 64 lower-case hexadecimal digits of SHAKE-256
 * @param piiPolicy a reference to a policy, carried along
 * @param lineageId the job that made the table, carried along
 * @param memoryClass a label of the caller's, carried along
 * @param contentHash 64 digits that equal rows share; finds accidents, not an attacker
 * @param indexHash 64 digits of SHAKE-256 over the file {@code index.rvx} that was saved beside the
 *     sidecar: no other one is loaded with it
 * @param signature 128 lower-case hexadecimal digits of Ed25519 over the UTF-8 bytes of {@link
 *     #toJson} without it
 */
public record RuLakeBundle(
    String dataRef,
    int dim,
    long rotationSeed,
    long rerankFactor,
    Generation generation,
    String witness,
    @Nullable String piiPolicy,
    @Nullable String lineageId,
    @Nullable String memoryClass,
    @Nullable String contentHash,
    @Nullable String indexHash,
    @Nullable String signature) {
  /** The name of a sidecar in its folder. */
  public static final String FILE_NAME = "table.rulake.json";

  private static final String ALGORITHM = "Ed25519";

  /** Refuses null where a field must be there. */
  public RuLakeBundle {
    Objects.requireNonNull(dataRef, "dataRef");
    Objects.requireNonNull(generation, "generation");
    Objects.requireNonNull(witness, "witness");
  }

  /**
   * A bundle with its witness, without what is optional.
   *
   * @param dataRef the URI of the data
   * @param dim components of a vector
   * @param rotationSeed the seed of the rotation that caches use
   * @param rerankFactor candidates compared exactly, over k
   * @param generation the state of the data
   */
  public static RuLakeBundle of(
      String dataRef, int dim, long rotationSeed, long rerankFactor, Generation generation) {
    var bundle =
        new RuLakeBundle(
            dataRef,
            dim,
            rotationSeed,
            rerankFactor,
            generation,
            "",
            null,
            null,
            null,
            null,
            null,
            null);
    return bundle.with(bundle.toNative().witness(), null, null, null, null);
  }

  /**
   * Reads the text of a sidecar and checks each field by itself; {@link #isWitnessValid} compares
   * the witness.
   *
   * @throws LakeException if it is no sidecar, or a field is out of range
   */
  public static RuLakeBundle fromJson(String json) {
    return of(NativeBundle.parse(json));
  }

  /**
   * Reads the sidecar of a folder and checks its fields and its witness.
   *
   * @throws LakeException if there is none, or it cannot be believed
   */
  public static RuLakeBundle readFromDir(Path dir) {
    return of(NativeBundle.read(dir));
  }

  /**
   * Writes the sidecar of a folder, which is made where there is none: readers see the old one or
   * the new one.
   *
   * @return its path
   * @throws LakeException if a field is out of range, the witness is not that of the fields, or the
   *     file cannot be written
   */
  public Path writeToDir(Path dir) {
    toNative().write(dir);
    return dir.resolve(FILE_NAME);
  }

  /**
   * The text of the sidecar, byte for byte the same for the same fields.
   *
   * @throws LakeException if a field is out of range
   */
  public String toJson() {
    return toNative().json();
  }

  /** Whether the witness is that of the fields. */
  public boolean isWitnessValid() {
    return witness.equals(toNative().witness());
  }

  /** This with a reference to a policy, or without one; it is not signed. */
  public RuLakeBundle withPiiPolicy(@Nullable String piiPolicy) {
    return with(witness, piiPolicy, lineageId, memoryClass, null);
  }

  /** This with the job that made the table, or without; it is not signed. */
  public RuLakeBundle withLineageId(@Nullable String lineageId) {
    return with(witness, piiPolicy, lineageId, memoryClass, null);
  }

  /** This with a label, or without one; it is not signed. */
  public RuLakeBundle withMemoryClass(@Nullable String memoryClass) {
    return with(witness, piiPolicy, lineageId, memoryClass, null);
  }

  /**
   * This, signed, in place of any signature before.
   *
   * @param key of Ed25519
   * @throws IllegalArgumentException if it is of another algorithm
   * @throws LakeException if a field is out of range
   */
  public RuLakeBundle signedBy(PrivateKey key) {
    try {
      Signature signer = Signature.getInstance(ALGORITHM);
      signer.initSign(key);
      signer.update(signedBytes());
      String signed = HexFormat.of().formatHex(signer.sign());
      return with(witness, piiPolicy, lineageId, memoryClass, signed);
    } catch (InvalidKeyException e) {
      throw badKey(key.getAlgorithm(), e);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("the key cannot sign", e);
    }
  }

  /**
   * Whether this is signed by the owner of a key, and no field has changed since. How old it is, a
   * signature does not tell: who can write a folder can put an older sidecar back.
   *
   * @param key of Ed25519
   * @throws IllegalArgumentException if it is of another algorithm
   */
  public boolean isSignedBy(PublicKey key) {
    try {
      Signature verifier = Signature.getInstance(ALGORITHM);
      verifier.initVerify(key);
      if (signature == null) {
        return false;
      }
      verifier.update(signedBytes());
      return verifier.verify(HexFormat.of().parseHex(signature));
    } catch (InvalidKeyException e) {
      throw badKey(key.getAlgorithm(), e);
    } catch (SignatureException | IllegalArgumentException e) {
      return false;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java has no " + ALGORITHM, e);
    }
  }

  private static IllegalArgumentException badKey(String algorithm, InvalidKeyException e) {
    IllegalArgumentException bad = Checks.illegal("key", "of " + algorithm, "of " + ALGORITHM);
    bad.initCause(e);
    return bad;
  }

  private byte[] signedBytes() {
    return with(witness, piiPolicy, lineageId, memoryClass, null)
        .toJson()
        .getBytes(StandardCharsets.UTF_8);
  }

  private RuLakeBundle with(
      String witness,
      @Nullable String piiPolicy,
      @Nullable String lineageId,
      @Nullable String memoryClass,
      @Nullable String signature) {
    return new RuLakeBundle(
        dataRef,
        dim,
        rotationSeed,
        rerankFactor,
        generation,
        witness,
        piiPolicy,
        lineageId,
        memoryClass,
        contentHash,
        indexHash,
        signature);
  }

  static RuLakeBundle of(NativeBundle fields) {
    NativeBundle.Texts texts = fields.texts();
    return new RuLakeBundle(
        texts.dataRef(),
        fields.dim(),
        fields.rotationSeed(),
        fields.rerankFactor(),
        RuLake.generation(fields.generation()),
        texts.witness(),
        texts.piiPolicy(),
        texts.lineageId(),
        texts.memoryClass(),
        texts.contentHash(),
        texts.indexHash(),
        texts.signature());
  }

  NativeBundle toNative() {
    var texts =
        new NativeBundle.Texts(
            dataRef, witness, piiPolicy, lineageId, memoryClass, contentHash, indexHash, signature);
    return new NativeBundle(dim, rotationSeed, rerankFactor, RuLake.token(generation), texts);
  }
}
