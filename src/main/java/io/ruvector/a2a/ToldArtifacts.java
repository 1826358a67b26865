package io.ruvector.a2a;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a follower was told of a task's artifacts, so that a snapshot of it tells the rest. */
final class ToldArtifacts {
  /** What is beyond these is told again: an agent that makes up names may not fill memory. */
  private static final int MAX_ARTIFACTS = 1_000;

  private static final int MAX_ID_LENGTH = 256;

  /**
   * The beginning of an artifact.
   *
   * @param parts how many
   * @param hash theirs
   */
  private record Beginning(int parts, int hash) {
    static final Beginning NONE = new Beginning(0, List.of().hashCode());

    Beginning with(List<Part> more) {
      int all = hash;
      for (Part part : more) {
        all = 31 * all + part.hashCode();
      }
      return new Beginning(parts + more.size(), all);
    }
  }

  private final Map<String, Beginning> told = new HashMap<>();

  /** Remembers that a piece was told. */
  void add(TaskUpdate.ArtifactUpdate piece) {
    Artifact artifact = piece.artifact();
    String id = artifact.id();
    if (id.length() <= MAX_ID_LENGTH && (told.size() < MAX_ARTIFACTS || told.containsKey(id))) {
      Beginning before = piece.append() ? told.getOrDefault(id, Beginning.NONE) : Beginning.NONE;
      told.put(id, before.with(artifact.parts()));
    }
  }

  /**
   * The piece that a whole artifact has behind what was told of it: all of it, where that is not
   * its beginning.
   */
  Optional<TaskUpdate.ArtifactUpdate> rest(Task task, Artifact whole) {
    List<Part> parts = whole.parts();
    Beginning before = told.getOrDefault(whole.id(), Beginning.NONE);
    boolean goesOn =
        before.parts() > 0
            && before.parts() <= parts.size()
            && Beginning.NONE.with(parts.subList(0, before.parts())).equals(before);
    if (goesOn && before.parts() == parts.size()) {
      return Optional.empty();
    }
    Artifact rest =
        goesOn
            ? new Artifact(
                whole.id(),
                whole.name(),
                whole.description(),
                parts.subList(before.parts(), parts.size()),
                whole.metadata(),
                whole.more())
            : whole;
    return Optional.of(
        new TaskUpdate.ArtifactUpdate(
            task.id(), rest, goesOn, task.state().isFinal(), Map.of(), Map.of()));
  }
}
