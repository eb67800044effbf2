#include "actors/fleet/connection.hpp"
#include "actors/fleet/provider_detail.hpp"
#include "actors/fleet/rate_limiter.hpp"
#include "protocol/errors.hpp"
#include "protocol/gauge_round.hpp"

#include <algorithm>

namespace assay::provider_detail {

namespace {

/// @returns when the child may start again; ends the provider when it fell too often.
std::optional<control::steady_time> plan_restart(self_pointer self, restart_policy& policy,
                                                 const std::string& child, const caf::error& reason) {
  const auto now = self->clock().now();
  if (const auto wait = policy.on_fall(now, self->state.chance.roll()))
    return now + *wait;
  self->quit(to_caf_error({errc::actor_lost,
                           "its " + child + " fell too often, the last time by: " + to_fault(reason).message,
                           "provider",
                           {}}));
  return std::nullopt;
}

void on_limiter_down(self_pointer self, const config_ptr& config, model_state& model, size_t key,
                     const caf::error& reason) {
  auto& gate = model.gates[key];
  gate.limiter = rate_limiter_actor{};
  gate.limiter_restart_at =
      plan_restart(self, gate.limiter_policy, "rate limiter for " + model.profile.id.value, reason);
  start_ticking(self, *config);
}

/// Everything that was on the wire is lost, and may have been billed.
void on_wire_down(self_pointer self, const config_ptr& config, size_t key, const caf::error& reason) {
  auto& state = self->state;
  state.keys[key].wire = connection_actor{};
  state.keys[key].wire_restart_at = plan_restart(self, state.keys[key].wire_policy, "connection", reason);
  std::vector<call_id> lost;
  for (const auto& [id, open] : state.calls)
    if (open.phase == call_phase::exchanging && open.key == key)
      lost.push_back(id);
  consequences out;
  for (const auto id : lost)
    on_result(self, config,
              lost_result(id, {errc::actor_lost, "the connection fell while it had the call", {}, {}}), out);
  send_all(self, config, out);
  start_ticking(self, *config);
}

/// Nobody waits for the answers of a sink that is gone.
void on_sink_down(self_pointer self, const config_ptr& config, const caf::actor_addr& gone) {
  self->state.watched_sinks.erase(gone);
  std::vector<run_id> orphans;
  for (const auto& [where, lane] : self->state.lanes)
    if (lane.sink.address() == gone)
      orphans.push_back(where.first);
  for (const auto run : orphans) {
    withdraw(self, config, withdraw_calls{run, milliseconds{0}});
    close_lanes(self, run);
  }
}

} // namespace

void start_wire(self_pointer self, const config_ptr& config, size_t key) {
  auto& one = self->state.keys[key];
  one.wire_restart_at.reset();
  auto profile = config->profile;
  profile.key = one.key.value;
  profile.keys.clear();
  one.wire = self->spawn(
      connection, connection_config{std::move(profile), one.key.name, config->open_transport, config->wall},
      caf::actor_cast<exchange_sink_actor>(self));
  self->state.family.adopt(self, one.wire);
}

void start_limiter(self_pointer self, const config_ptr& config, model_state& model, size_t key,
                   bool restarted) {
  auto& gate = model.gates[key];
  gate.limiter_restart_at.reset();
  rate_limiter_config child;
  child.provider = config->profile.id;
  child.model = model.profile.id;
  child.key = static_cast<uint32_t>(key);
  child.key_name = self->state.keys[key].key.name;
  child.limits = tighter(model.profile.limits, self->state.keys[key].key.limits);
  // The window already bounds calls in flight; two gates for one limit would only delay each other.
  child.limits.concurrent_requests = 0;
  child.memory = gate.limiter_memory;
  child.start_empty = restarted;
  child.wall = config->wall;
  gate.limiter = self->spawn(rate_limiter, std::move(child), caf::actor_cast<slot_sink_actor>(self));
  self->state.family.adopt(self, gate.limiter);
  if (const auto now = self->clock().now(); gate.closed_until > now)
    self->send(gate.limiter, key_closed{std::chrono::ceil<milliseconds>(gate.closed_until - now), false});
  acquire_slots again;
  for (const auto& [id, open] : self->state.calls)
    if (open.model == &model && open.key == key && open.phase == call_phase::acquiring)
      again.requests.push_back({id, open.reserved, open.answer_tokens});
  if (!again.requests.empty())
    self->send(gate.limiter, std::move(again));
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  auto& state = self->state;
  if (!state.family.release(down.source))
    return on_sink_down(self, config, down.source);
  for (size_t key = 0; key < state.keys.size(); ++key)
    if (state.keys[key].wire && state.keys[key].wire.address() == down.source)
      return on_wire_down(self, config, key, down.reason);
  for (auto& [id, model] : state.models)
    for (size_t key = 0; key < model->gates.size(); ++key)
      if (const auto& limiter = model->gates[key].limiter; limiter && limiter.address() == down.source)
        return on_limiter_down(self, config, *model, key, down.reason);
}

void restart_due_children(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  const auto now = self->clock().now();
  for (size_t key = 0; key < state.keys.size(); ++key) {
    if (state.keys[key].wire_restart_at && *state.keys[key].wire_restart_at <= now)
      start_wire(self, config, key);
    for (auto& [id, model] : state.models)
      if (const auto due = model->gates[key].limiter_restart_at; due && *due <= now)
        start_limiter(self, config, *model, key, true);
  }
}

bool waits_for_children(const provider_state& state) {
  return std::ranges::any_of(state.keys, [](const key_state& key) { return !!key.wire_restart_at; })
         || std::ranges::any_of(state.models, [](const auto& entry) {
              return std::ranges::any_of(entry.second->gates,
                                         [](const gate_state& gate) { return !!gate.limiter_restart_at; });
            });
}

// -- gauges ------------------------------------------------------------------------------------------------

caf::result<gauges> gather_gauges(self_pointer self, const provider_config& config,
                                  const read_gauges& asked) {
  auto& state = self->state;
  const auto& provider = config.profile.id.value;
  gauges own;
  const auto add = [&](metric family, std::vector<std::string> labels, double value) {
    own.values.push_back({family, std::move(labels), value});
  };
  const auto all = std::ranges::count_if(state.keys, [](const key_state& key) { return !key.retired; });
  const auto out =
      std::ranges::count_if(state.keys, [](const key_state& key) { return key.out && !key.retired; });
  add(metric::provider_keys, {provider}, static_cast<double>(all));
  add(metric::provider_keys_out, {provider}, static_cast<double>(out));
  for (const auto& [id, model] : state.models) {
    const auto& name = id.value;
    add(metric::provider_waiting_calls, {provider, name}, static_cast<double>(model->waiting()));
    add(metric::provider_in_flight_calls, {provider, name}, model->exchanging());
    add(metric::provider_window_calls, {provider, name}, model->window());
    for (const auto one :
         {control::breaker_state::closed, control::breaker_state::open, control::breaker_state::half_open})
      add(metric::provider_breaker_state, {provider, name, std::string(to_string(one))},
          model->breaker.state() == one ? 1 : 0);
    add(metric::provider_calls_answered_total, {provider, name}, static_cast<double>(model->answered));
    add(metric::provider_calls_retried_total, {provider, name}, static_cast<double>(model->retried));
    add(metric::provider_calls_failed_total, {provider, name}, static_cast<double>(model->failed));
    add(metric::provider_overcounted_total, {provider, name}, static_cast<double>(model->overcounted));
    if (const auto error = model->tokens.error()) {
      add(metric::provider_token_estimate_error_ratio, {provider, name}, *error);
      add(metric::provider_token_estimate_factor, {provider, name}, model->tokens.factor());
    }
  }
  gauge_round round(self, std::move(own), asked.patience);
  for (const auto& key : state.keys)
    round.ask(key.wire, "connection");
  for (const auto& [id, model] : state.models)
    for (const auto& gate : model->gates)
      round.ask(gate.limiter, "rate_limiter");
  return round.answer();
}

} // namespace assay::provider_detail
