#include "actors/fleet/provider_supervisor.hpp"

#include "protocol/errors.hpp"
#include "protocol/gauge_round.hpp"

#include <algorithm>
#include <utility>

namespace assay {

namespace {

using self_pointer = provider_supervisor_actor::stateful_pointer<provider_supervisor_state>;
using child = provider_supervisor_state::child;

void start_ticking(self_pointer self, std::chrono::milliseconds interval) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, interval, tick{});
}

/// Keys may have changed since the farm started.
void look_at_keys(const provider_supervisor_config& config, child& which) {
  if (!config.child.find_profile)
    return;
  if (auto now = config.child.find_profile(which.profile.id)) {
    which.profile.key = std::move(now->key);
    which.profile.keys = std::move(now->keys);
  }
}

void start_child(self_pointer self, const provider_supervisor_config& config, child& which) {
  look_at_keys(config, which);
  auto child_config = config.child;
  child_config.profile = which.profile;
  child_config.memory = which.memory;
  child_config.restarted = config.child.restarted || std::exchange(which.started_before, true);
  child_config.seed = config.seed + self->state.children_by_id.size();
  which.handle = self->spawn(provider, std::move(child_config), provider_supervisor_actor{self});
  which.restart_at.reset();
  self->state.family.adopt(self, which.handle);
  const auto target = caf::actor_cast<call_target_actor>(which.handle);
  for (const auto& watcher : self->state.watchers)
    self->send(watcher, provider_up{which.profile.id, target});
}

void on_child_down(self_pointer self, child& which, const caf::error& reason) {
  which.handle = provider_actor{};
  const auto now = self->clock().now();
  const auto wait = which.policy.on_fall(now, self->state.chance.roll());
  if (!wait)
    return self->quit(to_caf_error({errc::actor_lost,
                                    "provider '" + which.profile.id.value
                                        + "' fell too often, the last time by: " + to_fault(reason).message,
                                    "provider-supervisor",
                                    {}}));
  which.restart_at = now + *wait;
  self->delayed_send(self, *wait, tick{});
}

void on_down(self_pointer self, const caf::down_msg& down) {
  std::erase_if(self->state.watchers, [&](const auto& watcher) { return watcher.address() == down.source; });
  if (!self->state.family.release(down.source))
    return;
  for (auto& [id, which] : self->state.children_by_id)
    if (which.handle && which.handle.address() == down.source)
      return on_child_down(self, which, down.reason);
}

void remember(self_pointer self, const provider_supervisor_config& config, provider_memory& news) {
  const auto found = self->state.children_by_id.find(news.provider);
  if (found == self->state.children_by_id.end() || found->second.memory == news.state)
    return;
  found->second.memory = std::move(news.state);
  found->second.memory_stored = false;
  start_ticking(self, config.tick_interval);
}

void store_memories(self_pointer self, const provider_supervisor_config& config) {
  append_batch batch;
  for (auto& [id, which] : self->state.children_by_id) {
    if (std::exchange(which.memory_stored, true))
      continue;
    batch.documents.push_back({"provider_state", id.value, which.memory, false, std::nullopt});
  }
  // Losing one of these costs a little caution after a restart, so nobody waits for the commit.
  if (!batch.documents.empty() && config.journal)
    self->send(config.journal, append{std::move(batch), commit_sink_actor{}});
}

caf::result<gauges> gather_gauges(self_pointer self, const read_gauges& asked) {
  const auto& providers = self->state.children_by_id;
  const auto alive =
      std::ranges::count_if(providers, [](const auto& entry) { return !!entry.second.handle; });
  gauge_round round(self, gauges{{{metric::providers_alive, {}, static_cast<double>(alive)}}, {}},
                    asked.patience);
  for (const auto& [id, which] : providers)
    round.ask(which.handle, "provider");
  return round.answer();
}

void on_tick(self_pointer self, const provider_supervisor_config& config) {
  self->state.ticking = false;
  const auto now = self->clock().now();
  for (auto& [id, which] : self->state.children_by_id)
    if (which.restart_at && *which.restart_at <= now)
      start_child(self, config, which);
  store_memories(self, config);
}

} // namespace

provider_supervisor_actor::behavior_type provider_supervisor(self_pointer self,
                                                             provider_supervisor_config config) {
  auto& state = self->state;
  state.chance = dice{config.seed};
  state.family.shield(self);
  self->set_down_handler([self](const caf::down_msg& down) { on_down(self, down); });
  auto remembered = config.recall ? config.recall() : std::map<provider_id, std::string>{};
  for (const auto& profile : config.providers) {
    auto& which = state.children_by_id[profile.id];
    which.profile = profile;
    which.policy = restart_policy{config.limits};
    which.memory = std::move(remembered[profile.id]);
    start_child(self, config, which);
  }
  return {
      [self](const watch_providers& wish) {
        self->state.watchers.push_back(wish.watcher);
        self->monitor(wish.watcher);
        for (const auto& [id, which] : self->state.children_by_id)
          if (which.handle)
            self->send(wish.watcher, provider_up{id, caf::actor_cast<call_target_actor>(which.handle)});
      },
      [self, config](provider_memory& news) { remember(self, config, news); },
      [self, config](const keys_changed& news) {
        for (auto& [id, which] : self->state.children_by_id) {
          look_at_keys(config, which);
          if (which.handle)
            self->send(which.handle, news);
        }
      },
      [self](const read_gauges& asked) { return gather_gauges(self, asked); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
