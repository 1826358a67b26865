package io.ruvector.a2a;

import io.ruvector.internal.FileMutex;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/** Which agent was met first at each place, for {@link Trust#onFirstUse}. */
@FunctionalInterface
public interface TrustStore {
  /**
   * The id of the agent that was met first at an origin; this one, if none was. Called from any
   * thread.
   *
   * @param origin scheme, host and port, as in {@code "https://peer.example:443"}
   * @param agentId the id of the agent that is there now
   */
  String firstAt(String origin, String agentId);

  /** Remembers as long as it lives. */
  static TrustStore inMemory() {
    ConcurrentMap<String, String> first = new ConcurrentHashMap<>();
    return (origin, agentId) -> {
      String known = first.putIfAbsent(origin, agentId);
      return known == null ? agentId : known;
    };
  }

  /**
   * Remembers in a file: lines of an origin, a space and an id. Other processes may use it too.
   *
   * @param file where; it comes to be when the first agent is met
   */
  static TrustStore file(Path file) {
    return (origin, agentId) -> {
      try (var _ = new FileMutex(file.resolveSibling(file.getFileName() + ".lock"))) {
        if (Files.exists(file)) {
          for (String line : Files.readAllLines(file)) {
            if (line.startsWith(origin + " ")) {
              return line.substring(origin.length() + 1).strip();
            }
          }
        }
        Files.writeString(
            file,
            origin + " " + agentId + "\n",
            StandardOpenOption.CREATE,
            StandardOpenOption.APPEND,
            StandardOpenOption.DSYNC);
        return agentId;
      } catch (IOException e) {
        throw new UncheckedIOException("%s: %s".formatted(file, e.getMessage()), e);
      }
    };
  }
}
