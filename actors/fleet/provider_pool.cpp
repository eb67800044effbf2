#include "actors/fleet/provider_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::provider_detail {

namespace {

/// Weight and prompt types may change while it is used; another value or other limits make another key.
bool is_same(const provider_key& a, const provider_key& b) {
  return a.name == b.name && a.value == b.value && a.fingerprint == b.fingerprint && a.limits == b.limits;
}

bool has_calls(const provider_state& state, size_t key) {
  return std::ranges::any_of(state.models,
                             [&](const auto& entry) { return entry.second->gates[key].in_use() > 0; });
}

/// Nothing of it is left, so that another may have its place.
bool is_gone(const provider_state& state, size_t key) {
  const auto& one = state.keys[key];
  return one.retired && !one.wire && !one.wire_restart_at
         && std::ranges::none_of(state.models, [&](const auto& entry) {
              const auto& gate = entry.second->gates[key];
              return gate.limiter || gate.limiter_restart_at;
            });
}

void retire(provider_state& state, size_t key) {
  state.keys[key].retired = true;
  for (auto& [id, model] : state.models)
    model->gates[key].retired = true;
}

void add_key(self_pointer self, const config_ptr& config, provider_key&& added) {
  auto& state = self->state;
  size_t place = 0;
  while (place < state.keys.size() && !is_gone(state, place))
    ++place;
  const bool is_new = place == state.keys.size();
  if (is_new)
    state.keys.emplace_back(std::move(added), config->limits);
  else
    state.keys[place] = key_state{std::move(added), config->limits};
  for (auto& [id, model] : state.models) {
    auto gate = make_gate(*config, model->profile, state.keys[place].key, {}, {});
    if (is_new)
      model->gates.push_back(std::move(gate));
    else
      model->gates[place] = std::move(gate);
  }
  start_wire(self, config, place);
  for (auto& [id, model] : state.models) {
    apply_share(self, *model);
    // Its bucket may have been emptied by whoever had the key before.
    start_limiter(self, config, *model, place, config->restarted);
  }
}

} // namespace

void change_keys(self_pointer self, const config_ptr& config) {
  const auto profile = config->find_profile ? config->find_profile(config->profile.id) : std::nullopt;
  if (!profile)
    return;
  auto& state = self->state;
  auto wanted = keys_of(*profile);
  size_t removed = 0;
  for (size_t key = 0; key < state.keys.size(); ++key) {
    auto& one = state.keys[key];
    if (one.retired)
      continue;
    const auto stays =
        std::ranges::find_if(wanted, [&](const provider_key& other) { return is_same(one.key, other); });
    if (stays == wanted.end()) {
      retire(state, key);
      ++removed;
      continue;
    }
    // Whoever has the configuration read again may have paid, or mended the key.
    if (one.out) {
      one.out_since = control::steady_time::min();
      one.failed_probes = 0;
    }
    one.key.weight = stays->weight;
    one.key.prompt_types = std::move(stays->prompt_types);
    wanted.erase(stays);
  }
  if (removed > 0 || !wanted.empty())
    spdlog::info("provider changes its keys provider={} added={} removed={}", config->profile.id.value,
                 wanted.size(), removed);
  for (auto& key : wanted)
    add_key(self, config, std::move(key));
  end_unused_keys(self);
  for (auto& [id, model] : state.models)
    for (auto& line : model->lines)
      line->keys = keys_for(self, line->prompt_type);
  state.memory_changed = true;
  for (auto& [id, model] : state.models) {
    pump(self, config, *model);
    update_credit(self, *config, *model);
  }
  start_ticking(self, *config);
}

void end_unused_keys(self_pointer self) {
  auto& state = self->state;
  for (size_t key = 0; key < state.keys.size(); ++key) {
    auto& one = state.keys[key];
    if (!one.retired || has_calls(state, key))
      continue;
    one.wire_restart_at.reset();
    if (const auto wire = std::exchange(one.wire, connection_actor{}))
      self->send_exit(wire, caf::exit_reason::user_shutdown);
    one.key.value = secret{};
    for (auto& [id, model] : state.models) {
      auto& gate = model->gates[key];
      gate.limiter_restart_at.reset();
      if (const auto limiter = std::exchange(gate.limiter, rate_limiter_actor{}))
        self->send_exit(limiter, caf::exit_reason::user_shutdown);
    }
  }
}

bool some_key_retires(const provider_state& state) {
  for (size_t key = 0; key < state.keys.size(); ++key)
    if (state.keys[key].retired && !is_gone(state, key))
      return true;
  return false;
}

} // namespace assay::provider_detail
