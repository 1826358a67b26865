package io.ruvector.a2a;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What an agent says of itself. Under every {@link Trust} but {@link Trust#insecureForTests} all of
 * it is covered by a signature: what no signature covers is not here.
 *
 * @param name its name
 * @param description what it is for
 * @param url where it takes tasks, as it says
 * @param version its version
 * @param provider who runs it, or null
 * @param capabilities what of the protocol it supports
 * @param skills what it can do
 * @param authentication how it wants to be told who calls
 * @param metadata whatever else it says of itself
 * @param more fields that this version does not know
 */
public record AgentCard(
    String name,
    String description,
    String url,
    String version,
    @Nullable AgentProvider provider,
    AgentCapabilities capabilities,
    List<AgentSkill> skills,
    AuthScheme authentication,
    Map<String, @Nullable Object> metadata,
    Map<String, @Nullable Object> more) {
  /** The skill with an id. */
  public Optional<AgentSkill> skill(String id) {
    return skills.stream().filter(skill -> skill.id().equals(id)).findFirst();
  }
}
