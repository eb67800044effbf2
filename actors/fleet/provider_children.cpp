#include "actors/fleet/connection.hpp"
#include "actors/fleet/provider_detail.hpp"
#include "actors/fleet/rate_limiter.hpp"
#include "protocol/errors.hpp"
#include "protocol/gauge_round.hpp"

#include <nlohmann/json.hpp>

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

void on_limiter_down(self_pointer self, const config_ptr& config, model_state& model,
                     const caf::error& reason) {
  model.limiter = rate_limiter_actor{};
  model.limiter_restart_at =
      plan_restart(self, model.limiter_policy, "rate limiter for " + model.profile.id.value, reason);
  start_ticking(self, *config);
}

/// Everything that was on the wire is lost, and may have been billed.
void on_wire_down(self_pointer self, const config_ptr& config, const caf::error& reason) {
  auto& state = self->state;
  state.wire = connection_actor{};
  state.wire_restart_at = plan_restart(self, state.wire_policy, "connection", reason);
  std::vector<call_id> lost;
  for (const auto& [id, open] : state.calls)
    if (open.phase == call_phase::exchanging)
      lost.push_back(id);
  outcome_box box;
  for (const auto id : lost)
    take_back(self, config, id, {errc::actor_lost, "the connection fell while it had the call", {}, {}}, box);
  box.send(self);
  start_ticking(self, *config);
}

/// Nobody waits for the answers of a sink that is gone.
void on_sink_down(self_pointer self, const config_ptr& config, const caf::actor_addr& gone) {
  self->state.watched_sinks.erase(gone);
  std::vector<run_id> orphans;
  for (const auto& [run, lane] : self->state.lanes)
    if (lane.sink.address() == gone)
      orphans.push_back(run);
  for (const auto run : orphans) {
    withdraw(self, config, withdraw_calls{run, milliseconds{0}});
    self->state.lanes.erase(run);
  }
}

} // namespace

void start_wire(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  state.wire_restart_at.reset();
  state.wire =
      self->spawn(connection, connection_config{config->profile, config->open_transport, config->wall},
                  caf::actor_cast<exchange_sink_actor>(self));
  state.family.adopt(self, state.wire);
}

void start_limiter(self_pointer self, const config_ptr& config, model_state& model, bool restarted) {
  model.limiter_restart_at.reset();
  rate_limiter_config child;
  child.provider = config->profile.id;
  child.model = model.profile.id;
  child.limits = model.profile.limits;
  // The window already bounds calls in flight; two gates for one limit would only delay each other.
  child.limits.concurrent_requests = 0;
  child.memory = model.limiter_memory;
  child.start_empty = restarted;
  child.wall = config->wall;
  model.limiter = self->spawn(rate_limiter, std::move(child), caf::actor_cast<slot_sink_actor>(self));
  self->state.family.adopt(self, model.limiter);
  if (const auto now = self->clock().now(); model.closed_until && *model.closed_until > now)
    self->send(model.limiter, key_closed{std::chrono::ceil<milliseconds>(*model.closed_until - now), false});
  acquire_slots again;
  for (const auto& [id, open] : self->state.calls)
    if (open.model == &model && open.phase == call_phase::acquiring)
      again.requests.push_back({id, open.request.estimated_tokens});
  if (!again.requests.empty())
    self->send(model.limiter, std::move(again));
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  auto& state = self->state;
  if (!state.family.release(down.source))
    return on_sink_down(self, config, down.source);
  if (state.wire && state.wire.address() == down.source)
    return on_wire_down(self, config, down.reason);
  for (auto& [id, model] : state.models)
    if (model->limiter && model->limiter.address() == down.source)
      return on_limiter_down(self, config, *model, down.reason);
}

void restart_due_children(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  const auto now = self->clock().now();
  if (state.wire_restart_at && *state.wire_restart_at <= now)
    start_wire(self, config);
  for (auto& [id, model] : state.models)
    if (model->limiter_restart_at && *model->limiter_restart_at <= now)
      start_limiter(self, config, *model, true);
}

bool waits_for_children(const provider_state& state) {
  return state.wire_restart_at
         || std::ranges::any_of(state.models, [](const auto& e) { return !!e.second->limiter_restart_at; });
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
  for (const auto& [id, model] : state.models) {
    const auto& name = id.value;
    add(metric::provider_waiting_calls, {provider, name}, static_cast<double>(model->line.size()));
    add(metric::provider_in_flight_calls, {provider, name}, model->exchanging);
    add(metric::provider_window_calls, {provider, name}, model->window.limit());
    for (const auto one :
         {control::breaker_state::closed, control::breaker_state::open, control::breaker_state::half_open})
      add(metric::provider_breaker_state, {provider, name, std::string(to_string(one))},
          model->breaker.state() == one ? 1 : 0);
    add(metric::provider_calls_answered_total, {provider, name}, static_cast<double>(model->answered));
    add(metric::provider_calls_retried_total, {provider, name}, static_cast<double>(model->retried));
    add(metric::provider_calls_failed_total, {provider, name}, static_cast<double>(model->failed));
  }
  gauge_round round(self, std::move(own), asked.patience);
  round.ask(state.wire, "connection");
  for (const auto& [id, model] : state.models)
    round.ask(model->limiter, "rate_limiter");
  return round.answer();
}

// -- memory ------------------------------------------------------------------------------------------------

void remember(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  const auto now = self->clock().now();
  if (!state.memory_changed || !state.parent)
    return;
  // The last change before a quiet time must not stay untold.
  if (now - state.memory_sent < seconds{1})
    return start_ticking(self, *config);
  state.memory_changed = false;
  state.memory_sent = now;
  nlohmann::json models = nlohmann::json::object();
  for (const auto& [id, model] : state.models) {
    const auto breaker = model->breaker.export_state(now);
    models[id.value] = {{"limiter", model->limiter_memory},
                        {"breaker_open", breaker.open},
                        {"breaker_open_for", breaker.open_for.count()},
                        {"breaker_left", breaker.left.count()}};
  }
  const nlohmann::json memory{{"models", std::move(models)}};
  self->send(state.parent, provider_memory{config->profile.id, memory.dump()});
}

std::pair<control::breaker_record, std::string> recall(const provider_config& config, const model_id& id) {
  const auto memory = nlohmann::json::parse(config.memory, nullptr, false);
  if (!memory.is_object() || !memory.contains("models") || !memory["models"].contains(id.value))
    return {};
  try {
    const auto& model = memory["models"][id.value];
    control::breaker_record breaker;
    breaker.open = model.at("breaker_open").get<bool>();
    breaker.open_for = nanoseconds{model.at("breaker_open_for").get<int64_t>()};
    breaker.left = nanoseconds{model.at("breaker_left").get<int64_t>()};
    return {breaker, model.at("limiter").get<std::string>()};
  } catch (const nlohmann::json::exception&) {
    // Written by another version: a closed breaker and empty buckets find out by themselves.
    return {};
  }
}

} // namespace assay::provider_detail
