#include "actors/fleet/provider.hpp"

#include "actors/fleet/provider_detail.hpp"

#include <algorithm>
#include <limits>

namespace assay {

using namespace provider_detail;

namespace {

constexpr uint32_t least_credit = 64;

/// The smaller of two limits of which zero means none.
uint32_t tighter(uint32_t a, uint32_t b) {
  if (a == 0 || b == 0)
    return std::max(a, b);
  return std::min(a, b);
}

rate_limits tighter(const rate_limits& a, const rate_limits& b) {
  return {tighter(a.requests_per_minute, b.requests_per_minute),
          tighter(a.tokens_per_minute, b.tokens_per_minute),
          tighter(a.requests_per_second, b.requests_per_second),
          tighter(a.concurrent_requests, b.concurrent_requests)};
}

control::aimd_options window_options(const model_profile& profile, const provider_config& config) {
  auto options = config.in_flight;
  options.cap = std::max(1U, tighter(options.cap, profile.limits.concurrent_requests));
  options.cap = std::max(1U, tighter(options.cap, config.profile.max_connections));
  if (profile.in_flight)
    options.fixed = *profile.in_flight == in_flight_rule::fixed;
  return options;
}

call_outcome not_sent(call&& request, fault reason, wall_time now) {
  call_outcome out;
  out.id = request.id;
  out.failures = std::move(request.failures);
  out.error = std::move(reason);
  out.finished_at = now;
  return out;
}

/// The configuration's limits count; what the run has pinned goes before its names and prices, and stands for
/// a model that is not configured.
model_profile profile_of(const provider_config& config, const lane& where) {
  auto known = config.find_model(where.model);
  model_profile out = known ? std::move(*known) : model_profile{};
  out.id = where.model;
  out.provider = config.profile.id;
  if (!where.wire_model.empty())
    out.wire_model = where.wire_model;
  if (where.prices)
    out.prices = where.prices;
  out.limits = tighter(out.limits, config.profile.limits);
  return out;
}

model_state* find_or_add_model(self_pointer self, const config_ptr& config, const lane& where) {
  auto& models = self->state.models;
  if (const auto found = models.find(where.model); found != models.end())
    return found->second.get();
  auto [breaker, limiter] = recall(*config, where.model);
  auto added =
      std::make_unique<model_state>(profile_of(*config, where), *config, self->clock().now(), breaker);
  added->limiter_memory = std::move(limiter);
  auto& model = *models.emplace(where.model, std::move(added)).first->second;
  start_limiter(self, config, model, config->restarted);
  return &model;
}

void add_lane(self_pointer self, const config_ptr& config, const open_lane& wish) {
  auto& state = self->state;
  auto& lane = state.lanes[wish.where.run];
  lane.sink = wish.sink;
  if (state.watched_sinks.insert(wish.sink.address()).second)
    self->monitor(wish.sink);
  lane.where = wish.where;
  lane.model = find_or_add_model(self, config, wish.where);
  lane.credit = 0;
  update_credit(self, *lane.model);
}

} // namespace

provider_state::model_state::model_state(model_profile known, const provider_config& config, steady_time now,
                                         control::breaker_record record)
    : profile(std::move(known)), line(config.queue_capacity), window(window_options(profile, config)),
      breaker(config.breaker, record, now), limiter_policy(config.limits) {}

namespace provider_detail {

void outcome_box::add(run_id run, call_outcome&& outcome) {
  auto& batch = by_run_[run];
  batch.run = run;
  batch.outcomes.push_back(std::move(outcome));
}

void outcome_box::move_to(outcome_box& other) {
  for (auto& [run, batch] : by_run_)
    for (auto& outcome : batch.outcomes)
      other.add(run, std::move(outcome));
  by_run_.clear();
}

void outcome_box::send(self_pointer self) {
  for (auto& [run, batch] : by_run_) {
    const auto lane = self->state.lanes.find(run);
    if (lane != self->state.lanes.end())
      self->send(lane->second.sink, std::move(batch));
  }
  by_run_.clear();
}

/// Two windows' worth, so that the line is never empty while answers travel back and new calls forth. Small
/// changes are not worth a message.
void update_credit(self_pointer self, model_state& model) {
  const uint32_t wanted = std::max(least_credit, 2 * model.window.limit());
  for (auto& [run, lane] : self->state.lanes) {
    if (lane.model != &model)
      continue;
    const uint32_t difference = wanted > lane.credit ? wanted - lane.credit : lane.credit - wanted;
    if (lane.credit != 0 && difference * 10 < lane.credit)
      continue;
    lane.credit = wanted;
    self->send(lane.sink, lane_credit{run, wanted});
  }
}

void enqueue(self_pointer self, const config_ptr& config, call_batch& batch) {
  const auto found = self->state.lanes.find(batch.where.run);
  model_state* model = found == self->state.lanes.end() ? nullptr : found->second.model;
  call_outcome_batch refused{batch.where.run, {}};
  const auto now = self->clock().now();
  for (auto& request : batch.calls) {
    if (!model) {
      refused.outcomes.push_back(
          not_sent(std::move(request),
                   {errc::not_found, "model '" + batch.where.model.value + "' is not configured", "models",
                    "add it to model_configs.yaml"},
                   config->wall()));
      continue;
    }
    const auto id = request.id;
    const auto& where = batch.where;
    const bool room = model->line.push(
        call_id{id}, {where.tenant, where.tenant_weight, where.run, where.run_weight, where.priority, 1.0});
    if (!room) {
      refused.outcomes.push_back(
          not_sent(std::move(request),
                   {errc::busy, "the provider's waiting line is full",
                    "providers." + config->profile.id.value, "run fewer evaluations at once"},
                   config->wall()));
      continue;
    }
    open_call open;
    open.request = std::move(request);
    open.request.timeout = std::min(open.request.timeout, model->profile.call_timeout);
    open.run = where.run;
    open.model = model;
    open.entered = now;
    self->state.calls.emplace(id, std::move(open));
  }
  if (!refused.outcomes.empty())
    self->send(batch.sink, std::move(refused));
  if (model)
    pump(self, config, *model);
}

} // namespace provider_detail

provider_actor::behavior_type provider(self_pointer self, provider_config given,
                                       provider_supervisor_actor parent) {
  // Handlers share one copy; the profile in it holds the key.
  const auto config = std::make_shared<const provider_config>(std::move(given));
  auto& state = self->state;
  state.parent = std::move(parent);
  state.chance = dice{config->seed};
  state.budget = config->retry_budget;
  state.wheel.emplace(self->clock().now(), config->tick_interval);
  state.wire_policy = restart_policy{config->limits};
  state.family.shield(self);
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  start_wire(self, config);
  return {
      [self, config](const open_lane& wish) { add_lane(self, config, wish); },
      [self, config](call_batch& batch) { enqueue(self, config, batch); },
      [self, config](const withdraw_calls& wish) { withdraw(self, config, wish); },
      [self](const close_lane& wish) { self->state.lanes.erase(wish.run); },
      [self, config](const slots_granted& granted) { on_granted(self, config, granted); },
      [self, config](const limiter_memory& memory) {
        if (const auto found = self->state.models.find(memory.model); found != self->state.models.end()) {
          found->second->limiter_memory = memory.state;
          self->state.memory_changed = true;
        }
        remember(self, config);
      },
      [self, config](exchange_result_batch& batch) { on_results(self, config, batch); },
      [self, config](const read_gauges& asked) { return gather_gauges(self, *config, asked); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
