package io.ruvector.a2a;

import io.ruvector.internal.Checks;
import java.security.PublicKey;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Whose word is taken. An {@link A2aClient} sends nothing to an agent before its card has passed.
 *
 * <p>A signature proves who wrote a card only to those who know the key by other means: by {@link
 * #pinned}, or because they met it before, {@link #onFirstUse}. A card of rvagent carries its key,
 * which proves that nobody changed the card since, {@link #anySigned}. A card of the standard
 * carries none, and a place to fetch one from is never followed, so that only {@link #pinned} will
 * do.
 *
 * <p>Immutable.
 */
public final class Trust {
  private final Kind kind;
  private final Set<String> agentIds;
  private final List<JsonWebKey> keys;
  private final @Nullable TrustStore store;

  /** What a card has to pass. */
  private enum Kind {
    PINNED,
    FIRST_USE,
    ANY_SIGNED,
    INSECURE
  }

  private Trust(
      Kind kind, Set<String> agentIds, List<JsonWebKey> keys, @Nullable TrustStore store) {
    this.kind = kind;
    this.agentIds = Set.copyOf(agentIds);
    this.keys = List.copyOf(keys);
    this.store = store;
  }

  /**
   * Agents of rvagent by their ids: SHAKE-256 hashes of their keys, 64 lowercase hexadecimal
   * digits.
   *
   * @throws IllegalArgumentException if one is no such id
   */
  public static Trust pinned(String agentId, String... more) {
    Set<String> ids = new HashSet<>(List.of(more));
    ids.add(agentId);
    for (String id : ids) {
      if (!id.matches("[0-9a-f]{64}")) {
        throw Checks.illegal("agentId", id, "64 lowercase hexadecimal digits");
      }
    }
    return new Trust(Kind.PINNED, ids, List.of(), null);
  }

  /**
   * Agents by their keys: Ed25519, or those of elliptic curve P-256.
   *
   * @throws IllegalArgumentException if one is a key of another kind
   */
  public static Trust pinned(PublicKey key, PublicKey... more) {
    List<JsonWebKey> keys = new ArrayList<>();
    keys.add(JsonWebKey.of(key));
    for (PublicKey other : more) {
      keys.add(JsonWebKey.of(other));
    }
    return new Trust(Kind.PINNED, Set.of(), keys, null);
  }

  /**
   * Agents by the keys of a JSON Web Key Set (RFC 7517): Ed25519, or those of elliptic curve P-256;
   * others are passed over. Where both the set and a card name keys, the names have to agree.
   *
   * @param jwks the text of the set
   * @throws IllegalArgumentException if it is no such set, or has no key of use
   */
  public static Trust pinnedJwks(String jwks) {
    return new Trust(Kind.PINNED, Set.of(), JsonWebKey.set(jwks), null);
  }

  /** Whoever was met first at a place, from then on; agents of rvagent only. */
  public static Trust onFirstUse(TrustStore store) {
    return new Trust(Kind.FIRST_USE, Set.of(), List.of(), store);
  }

  /**
   * Any agent of rvagent whose card is signed by the key in it: nobody changed the card since, but
   * anybody may have written it.
   */
  public static Trust anySigned() {
    return new Trust(Kind.ANY_SIGNED, Set.of(), List.of(), null);
  }

  /** Whatever is there. */
  public static Trust insecureForTests() {
    return new Trust(Kind.INSECURE, Set.of(), List.of(), null);
  }

  boolean isInsecure() {
    return kind == Kind.INSECURE;
  }

  /** The keys that a card without one may be signed by. */
  List<JsonWebKey> keys() {
    return keys;
  }

  /** Refuses an agent whose card is signed by the key in it, unless this is the one. */
  void check(String origin, String agentId) {
    switch (kind) {
      case ANY_SIGNED, INSECURE -> {}
      case PINNED -> {
        if (!agentIds.contains(agentId)
            && keys.stream().noneMatch(key -> key.agentId().equals(agentId))) {
          throw new CardSignatureInvalidException(
              "%s: the card is signed by agent %s, which is not pinned".formatted(origin, agentId));
        }
      }
      case FIRST_USE -> {
        String first = store == null ? agentId : store.firstAt(origin, agentId);
        if (!first.equals(agentId)) {
          throw new CardSignatureInvalidException(
              "%s: the card is signed by agent %s, but agent %s was there first"
                  .formatted(origin, agentId, first));
        }
      }
    }
  }
}
