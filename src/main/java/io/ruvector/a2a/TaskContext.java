package io.ruvector.a2a;

import io.ruvector.internal.Checks;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Where a task stands in a chain of agents that hand work to each other: what rvagent's servers
 * refuse a chain by that is too long or meets an agent again. Whoever is no agent need not give
 * one.
 *
 * @param traceId what all tasks of the chain have in common
 * @param parentTaskId the task that this one is for, or null
 * @param depth how many agents lie behind
 * @param rootAgentId where the chain began
 * @param currentAgent who sends the task
 * @param visitedAgents the agents that lie behind
 */
public record TaskContext(
    String traceId,
    @Nullable String parentTaskId,
    int depth,
    String rootAgentId,
    String currentAgent,
    List<String> visitedAgents) {
  /** Checks the depth, and copies the list. */
  public TaskContext {
    if (depth < 0) {
      throw Checks.illegal("depth", depth, "zero or more");
    }
    visitedAgents = List.copyOf(visitedAgents);
  }

  /** The beginning of a chain. */
  public static TaskContext root(String agentId) {
    String traceId = UUID.randomUUID().toString().replace("-", "");
    return new TaskContext(traceId, null, 0, agentId, agentId, List.of());
  }

  /**
   * The next link of the chain.
   *
   * @param parentTaskId the task that the next one is for
   * @param nextAgent who sends that
   */
  public TaskContext child(String parentTaskId, String nextAgent) {
    List<String> visited = new ArrayList<>(visitedAgents);
    visited.add(currentAgent);
    return new TaskContext(traceId, parentTaskId, depth + 1, rootAgentId, nextAgent, visited);
  }

  /** As rvagent writes it. */
  Map<String, @Nullable Object> json() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("trace_id", traceId);
    if (parentTaskId != null) {
      json.put("parent_task_id", parentTaskId);
    }
    json.put("depth", depth);
    json.put("root_agent_id", rootAgentId);
    json.put("current_agent", currentAgent);
    json.put("visited_agents", visitedAgents);
    return json;
  }
}
