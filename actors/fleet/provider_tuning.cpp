#include "actors/fleet/provider_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

namespace assay::provider_detail {

namespace {

double share_of(const provider_tuning& tuning, const model_id& model) {
  for (const auto& [name, share] : tuning.shares)
    if (name == model)
      return std::clamp(share, 0.0, 1.0);
  return 1;
}

/// In which half of what the rule draws a wait lies. A wait that the provider asked for says nothing.
monitoring::wait_half half_of(const control::retry_rule& rule, unsigned retries, milliseconds waited) {
  const auto lowest = control::backoff(rule, retries, 0.0);
  const auto middle = control::backoff(rule, retries, 0.5);
  const auto highest = control::backoff(rule, retries, 1.0);
  if (lowest == highest || waited > highest || waited == middle)
    return monitoring::wait_half::unknown;
  return waited < middle ? monitoring::wait_half::shorter : monitoring::wait_half::longer;
}

} // namespace

void meet_monitor(self_pointer self, const provider_config& config) {
  if (config.monitor)
    self->send(config.monitor, provider_met{config.profile.id, caf::actor_cast<tuned_actor>(self)});
}

void apply_share(self_pointer self, model_state& model) {
  const auto share = share_of(self->state.tuning, model.profile.id);
  for (auto& gate : model.gates) {
    const auto allowed = std::floor(share * static_cast<double>(gate.configured_cap));
    gate.window.set_cap(std::max(1U, static_cast<uint32_t>(allowed)));
  }
}

void tune(self_pointer self, const config_ptr& config, const tune_provider& wish) {
  auto& state = self->state;
  if (state.tuning == wish.tuning)
    return;
  state.tuning = wish.tuning;
  state.retries = config->retries;
  for (const auto& [code, rule] : state.tuning.retries)
    if (auto set = state.retries.set(code, rule); !set)
      spdlog::warn("provider ignores a retry rule provider={} error={} reason=\"{}\"",
                   config->profile.id.value, to_string(code), set.error().message);
  for (auto& [id, model] : state.models) {
    apply_share(self, *model);
    update_credit(self, *config, *model);
    pump(self, config, *model);
  }
}

std::vector<monitoring::failed_try_seen> failed_tries_of(const control::retry_rules& rules,
                                                         const std::vector<attempt_record>& failures) {
  std::vector<monitoring::failed_try_seen> out;
  unsigned retries = 0;
  for (const auto& failure : failures) {
    // Who has failed it before counts that itself.
    if (!failure.target.empty())
      continue;
    const auto& rule = rules.rule_for(failure.error);
    const bool transient = retry_class_of(failure.error) == retry_class::transient;
    out.push_back({failure.error, rule.strategy, failure.waited,
                   transient ? half_of(rule, retries, failure.waited) : monitoring::wait_half::unknown});
    retries += transient ? 1 : 0;
  }
  return out;
}

} // namespace assay::provider_detail
