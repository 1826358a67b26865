package io.ruvector.cli;

import io.ruvector.a2a.A2aClient;
import io.ruvector.a2a.AgentCard;
import io.ruvector.a2a.AgentProvider;
import io.ruvector.a2a.AgentSkill;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "card",
    description = {"Verify an agent's card, and show it."},
    footer = {"", "Example:", "  ruvector a2a card https://peer.example --trust any-signed"})
final class A2aCardCommand implements Callable<Integer> {
  @Mixin private final AgentMixin agents = new AgentMixin();
  @Mixin private final OutputMixin output = new OutputMixin();
  @Mixin final HelpMixin help = new HelpMixin();

  @Override
  public Integer call() {
    try (A2aClient agent = agents.connect()) {
      AgentCard card = agent.card();
      AgentProvider provider = card.provider();
      Report report = output.report();
      report.add(
          "agent",
          new Row()
              .put("name", Report.plain(card.name()))
              .put("version", Report.plain(card.version()))
              .put("id", agent.agentId().orElse(null))
              .put("provider", provider == null ? null : Report.plain(provider.organization()))
              .put("streaming", card.capabilities().streaming())
              .put("description", Report.plain(card.description())));
      for (AgentSkill skill : card.skills()) {
        report.add(
            "skills",
            new Row()
                .put("skill", Report.plain(skill.id()))
                .put("description", Report.plain(skill.description())));
      }
      report.finish();
      return ExitCode.OK;
    }
  }
}
