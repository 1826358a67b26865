package io.ruvector.a2a;

import io.ruvector.internal.Checks;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Work for an agent.
 *
 * {@snippet lang=java :
 * var spec = TaskSpec.of("rag.query", "What is RaBitQ?")
 *     .policy(TaskPolicy.none().maxCostUsd(0.05))
 *     .estimate(0.01, 2_000);
 * }
 *
 * @param id the task's id with rvagent, the message's with the standard, where the agent chooses
 *     that of the task; a random one, unless it is set
 * @param skill the id of the skill; the standard has no place for it, so that it goes into the
 *     metadata of the message as {@code skill}
 * @param message what to do
 * @param metadata whatever else the two sides have agreed on
 * @param policy what it may cost
 * @param estimate what it will cost, as far as the caller knows, or null
 * @param context where it stands in a chain of agents, or null: at the beginning
 * @param idempotent whether doing it twice is as good as once, so that it may be sent again where
 *     the connection fails
 */
public record TaskSpec(
    String id,
    String skill,
    Message message,
    Map<String, @Nullable Object> metadata,
    TaskPolicy policy,
    @Nullable Estimate estimate,
    @Nullable TaskContext context,
    boolean idempotent) {
  /**
   * What a task will cost.
   *
   * @param costUsd US dollars
   * @param tokens tokens of a language model
   */
  public record Estimate(double costUsd, long tokens) {
    /** Refuses what no task costs. */
    public Estimate {
      if (!(costUsd >= 0 && costUsd <= Double.MAX_VALUE)) {
        throw Checks.illegal("costUsd", costUsd, "zero or more");
      }
      if (tokens < 0) {
        throw Checks.illegal("tokens", tokens, "zero or more");
      }
    }
  }

  /** Refuses an empty id or skill, and copies what is given. */
  public TaskSpec {
    if (id.isBlank()) {
      throw Checks.illegal("id", "\"" + id + "\"", "anything but blanks");
    }
    if (skill.isBlank()) {
      throw Checks.illegal("skill", "\"" + skill + "\"", "the id of a skill");
    }
    metadata = Json.copyObject("metadata", metadata);
  }

  /**
   * A text for a skill.
   *
   * @throws IllegalArgumentException if {@code skill} is blank
   */
  public static TaskSpec of(String skill, String text) {
    return of(skill, Message.user(text));
  }

  /**
   * A message for a skill.
   *
   * @throws IllegalArgumentException if {@code skill} is blank
   */
  public static TaskSpec of(String skill, Message message) {
    String id = UUID.randomUUID().toString();
    return new TaskSpec(id, skill, message, Map.of(), TaskPolicy.none(), null, null, false);
  }

  /** This with another id. */
  public TaskSpec id(String id) {
    return new TaskSpec(id, skill, message, metadata, policy, estimate, context, idempotent);
  }

  /**
   * This with metadata.
   *
   * @param metadata strings, finite numbers, booleans, nulls, lists and maps of these
   */
  public TaskSpec metadata(Map<String, ?> metadata) {
    return new TaskSpec(
        id,
        skill,
        message,
        Json.copyObject("metadata", metadata),
        policy,
        estimate,
        context,
        idempotent);
  }

  /** This with limits. */
  public TaskSpec policy(TaskPolicy policy) {
    return new TaskSpec(id, skill, message, metadata, policy, estimate, context, idempotent);
  }

  /** This with what it will cost: more than its policy allows is refused before it is sent. */
  public TaskSpec estimate(double costUsd, long tokens) {
    return new TaskSpec(
        id, skill, message, metadata, policy, new Estimate(costUsd, tokens), context, idempotent);
  }

  /** This in a chain of agents. */
  public TaskSpec context(TaskContext context) {
    return new TaskSpec(id, skill, message, metadata, policy, estimate, context, idempotent);
  }

  /** This, and whether it may be sent again where the connection fails. */
  public TaskSpec idempotent(boolean idempotent) {
    return new TaskSpec(id, skill, message, metadata, policy, estimate, context, idempotent);
  }
}
