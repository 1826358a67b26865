package io.ruvector.a2a;

import io.ruvector.internal.Checks;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a task may cost. A limit that is null does not hold.
 *
 * {@snippet lang=java :
 * var policy = TaskPolicy.none().maxCostUsd(0.50).maxDuration(Duration.ofMinutes(2));
 * }
 *
 * <p>This client checks skills, duration and, where the task has an {@linkplain TaskSpec#estimate
 * estimate}, costs and tokens; without one the last two are sent to the agent and checked by nobody
 * here. The number of tasks at a time is checked by rvagent's servers, and by this client where it
 * speaks the standard, which has no policies.
 *
 * @param maxCostUsd US dollars
 * @param maxTokens tokens of a language model
 * @param maxDuration from when it is sent: then the client cancels it
 * @param allowedSkills the only skills that it may use
 * @param maxConcurrency how many tasks the agent may run at a time, this one included
 */
public record TaskPolicy(
    @Nullable Double maxCostUsd,
    @Nullable Long maxTokens,
    @Nullable Duration maxDuration,
    @Nullable Set<String> allowedSkills,
    @Nullable Integer maxConcurrency) {
  /** Checks every limit. */
  public TaskPolicy {
    if (maxCostUsd != null && !(maxCostUsd >= 0 && maxCostUsd <= Double.MAX_VALUE)) {
      throw Checks.illegal("maxCostUsd", maxCostUsd, "zero or more");
    }
    if (maxTokens != null && maxTokens < 0) {
      throw Checks.illegal("maxTokens", maxTokens, "zero or more");
    }
    if (maxDuration != null && maxDuration.isNegative()) {
      throw Checks.illegal("maxDuration", maxDuration, "zero or more");
    }
    if (maxConcurrency != null && maxConcurrency < 0) {
      throw Checks.illegal("maxConcurrency", maxConcurrency, "zero or more");
    }
    if (allowedSkills != null) {
      allowedSkills = Set.copyOf(allowedSkills);
      if (allowedSkills.stream().anyMatch(String::isBlank)) {
        throw Checks.illegal("allowedSkills", allowedSkills, "ids of skills");
      }
    }
  }

  /** No limit. */
  public static TaskPolicy none() {
    return new TaskPolicy(null, null, null, null, null);
  }

  /** This with a limit of US dollars. */
  public TaskPolicy maxCostUsd(double maxCostUsd) {
    return new TaskPolicy(maxCostUsd, maxTokens, maxDuration, allowedSkills, maxConcurrency);
  }

  /** This with a limit of tokens. */
  public TaskPolicy maxTokens(long maxTokens) {
    return new TaskPolicy(maxCostUsd, maxTokens, maxDuration, allowedSkills, maxConcurrency);
  }

  /** This with a limit of time. */
  public TaskPolicy maxDuration(Duration maxDuration) {
    return new TaskPolicy(maxCostUsd, maxTokens, maxDuration, allowedSkills, maxConcurrency);
  }

  /** This with the only skills that may be used. */
  public TaskPolicy allowedSkills(String... allowedSkills) {
    return new TaskPolicy(
        maxCostUsd, maxTokens, maxDuration, Set.of(allowedSkills), maxConcurrency);
  }

  /** This with a limit of tasks at a time. */
  public TaskPolicy maxConcurrency(int maxConcurrency) {
    return new TaskPolicy(maxCostUsd, maxTokens, maxDuration, allowedSkills, maxConcurrency);
  }

  /** Refuses a task that would break this, as far as that can be told before it is sent. */
  void check(TaskSpec spec) {
    if (allowedSkills != null && !allowedSkills.contains(spec.skill())) {
      throw new PolicyViolationException(
          "skill %s is not among those allowed: %s".formatted(spec.skill(), allowedSkills));
    }
    TaskSpec.Estimate estimate = spec.estimate();
    if (estimate == null) {
      return;
    }
    if (maxCostUsd != null && estimate.costUsd() > maxCostUsd) {
      throw new PolicyViolationException(
          "an estimate of %s USD, allowed: up to %s".formatted(estimate.costUsd(), maxCostUsd));
    }
    if (maxTokens != null && estimate.tokens() > maxTokens) {
      throw new PolicyViolationException(
          "an estimate of %d tokens, allowed: up to %d".formatted(estimate.tokens(), maxTokens));
    }
  }

  /** As rvagent writes it. */
  Map<String, @Nullable Object> json() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("max_cost_usd", maxCostUsd);
    json.put("max_tokens", maxTokens);
    json.put("max_duration_ms", maxDuration == null ? null : maxDuration.toMillis());
    json.put(
        "allowed_skills", allowedSkills == null ? null : allowedSkills.stream().sorted().toList());
    json.put("max_concurrency", maxConcurrency);
    return json;
  }
}
