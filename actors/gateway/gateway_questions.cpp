#include "actors/fleet/model_directory.hpp"
#include "actors/gateway/gateway_detail.hpp"
#include "core/llm/question.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace assay::gateway_detail {

namespace {

using lane_key = gateway_state::lane_key;

constexpr milliseconds last_moment{200};

/// Looks like the id of a run that was submitted now, and is as unlikely to meet another one.
run_id draw_run(gateway_state& state, wall_time now) {
  const auto seconds_now = std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
  while (true) {
    const auto random = static_cast<uint32_t>(state.chance.roll() * 4294967296.0);
    const run_id drawn(static_cast<uint32_t>(seconds_now), random);
    if (!drawn.empty() && !state.lanes.contains(drawn))
      return drawn;
  }
}

void make_room(self_pointer self, const config_ptr& config) {
  auto& lanes = self->state.lanes;
  for (auto it = lanes.begin(); it != lanes.end();)
    it = it->second.idle() ? close(self, config, it) : std::next(it);
}

result<lane_state*> find_or_open(self_pointer self, const config_ptr& config, const model_question& wish) {
  auto& state = self->state;
  lane_key key{wish.tenant, wish.api_key, wish.model, wish.cache};
  if (const auto known = state.lanes_by_key.find(key); known != state.lanes_by_key.end())
    return &state.lanes.at(known->second);
  auto found = config->find_model(wish.model);
  if (!found)
    return found.error();
  if (state.lanes.size() >= config->max_lanes)
    make_room(self, config);
  if (state.lanes.size() >= config->max_lanes)
    return fault{errc::rate_limited, "too many models are asked at once", "model", "try again in a moment"};
  lane where;
  where.run = draw_run(state, config->wall());
  where.model = found->id;
  where.provider = found->provider;
  where.wire_model = found->wire_model;
  where.prices = found->prices;
  where.tenant = wish.tenant;
  if (config->tenant_weight)
    where.tenant_weight = config->tenant_weight(wish.tenant);
  where.route = found->route;
  where.rules = call_rules_of(*found);
  where.cache = wish.cache;
  where.interactive = true;
  where.api_key = wish.api_key;
  where.key_budget = wish.key_budget;
  auto& lane = state.lanes[where.run];
  lane.key = key;
  lane.where = std::move(where);
  lane.model = std::move(*found);
  lane.idle_since = self->clock().now();
  state.lanes_by_key.emplace(std::move(key), lane.where.run);
  self->send(target_of(*config, lane.where), open_lane{lane.where, caf::actor_cast<call_sink_actor>(self)});
  return &lane;
}

std::optional<fault> refusal(const gateway_state& state, const gateway_config& config,
                             const model_question& wish) {
  if (state.questions.contains(wish.request.id))
    return fault{errc::internal, "a question came twice", {}, {}};
  if (state.questions.size() >= config.max_open)
    return fault{
        errc::rate_limited, "too many questions are open at the gateway", {}, "try again in a moment"};
  const auto mine = state.open_by_tenant.find(wish.tenant);
  if (mine != state.open_by_tenant.end() && mine->second >= config.max_open_per_tenant)
    return fault{errc::rate_limited,
                 "you have " + std::to_string(mine->second) + " questions open, which is the most allowed",
                 {},
                 "wait for some of them"};
  return std::nullopt;
}

void watch(self_pointer self, const answer_sink_actor& sink) {
  if (self->state.watched_sinks[sink.address()]++ == 0)
    self->monitor(sink);
}

void unwatch(self_pointer self, const answer_sink_actor& sink) {
  const auto found = self->state.watched_sinks.find(sink.address());
  if (found == self->state.watched_sinks.end() || --found->second > 0)
    return;
  self->demonitor(found->first);
  self->state.watched_sinks.erase(found);
}

/// What the question does not say, the operator's settings of the model do.
void complete(call& request, const model_profile& model) {
  request.parameters = overlay(model.defaults, request.parameters);
  if (request.estimated_tokens == 0)
    request.estimated_tokens = llm::estimated_tokens(request.messages, request.parameters);
}

void accept(self_pointer self, lane_state& lane, model_question&& wish, const answer_sink_actor& sink) {
  auto& state = self->state;
  const auto id = wish.request.id;
  complete(wish.request, lane.model);
  open_question open;
  open.run = lane.where.run;
  open.sink = sink;
  open.timeout = wish.request.timeout;
  const auto deadline = self->clock().now() + wish.request.timeout;
  open.deadline = state.wheel->schedule(id, deadline);
  // What still waits a moment before the end will not be answered in time, and can say what it waits for.
  wish.request.send_by = (deadline - std::min(last_moment, wish.request.timeout / 5)).time_since_epoch();
  open.waiting = std::move(wish.request);
  state.questions.emplace(id, std::move(open));
  ++state.open_by_tenant[lane.where.tenant];
  watch(self, sink);
  lane.waiting.push_back(id);
}

} // namespace

call_outcome failed_outcome(call_id id, fault reason, wall_time now) {
  call_outcome out;
  out.id = id;
  out.error = std::move(reason);
  out.finished_at = now;
  return out;
}

void on_questions(self_pointer self, const config_ptr& config, ask_models& wish) {
  auto& state = self->state;
  call_outcome_batch refused;
  std::set<run_id> touched;
  for (auto& question : wish.questions) {
    ++state.asked;
    auto reason = refusal(state, *config, question);
    const auto id = question.request.id;
    if (!reason) {
      auto lane = find_or_open(self, config, question);
      if (lane) {
        touched.insert((*lane)->where.run);
        accept(self, **lane, std::move(question), wish.sink);
        continue;
      }
      reason = lane.error();
    }
    if (reason->code == errc::rate_limited)
      ++state.refused;
    refused.outcomes.push_back(failed_outcome(id, std::move(*reason), config->wall()));
  }
  for (const auto run : touched)
    pump(self, config, state.lanes.at(run));
  if (!refused.outcomes.empty())
    self->send(wish.sink, std::move(refused));
  start_ticking(self, config);
}

void pump(self_pointer self, const config_ptr& config, lane_state& lane) {
  call_batch batch;
  while (!lane.waiting.empty() && lane.out < lane.credit) {
    const auto id = lane.waiting.front();
    lane.waiting.pop_front();
    const auto open = self->state.questions.find(id);
    if (open == self->state.questions.end() || !open->second.waiting)
      continue;
    batch.calls.push_back(std::move(*open->second.waiting));
    open->second.waiting.reset();
    ++lane.out;
  }
  if (batch.calls.empty())
    return;
  batch.where = lane.where;
  batch.sink = caf::actor_cast<call_sink_actor>(self);
  self->send(target_of(*config, lane.where), std::move(batch));
}

void forget(self_pointer self, std::unordered_map<call_id, open_question>::iterator which) {
  auto& state = self->state;
  auto& open = which->second;
  state.wheel->cancel(open.deadline);
  if (open.sink)
    unwatch(self, open.sink);
  auto& lane = state.lanes.at(open.run);
  if (!open.waiting)
    --lane.out;
  if (const auto mine = state.open_by_tenant.find(lane.where.tenant);
      mine != state.open_by_tenant.end() && --mine->second == 0)
    state.open_by_tenant.erase(mine);
  if (lane.idle())
    lane.idle_since = self->clock().now();
  state.questions.erase(which);
}

void withdraw(self_pointer self, const config_ptr& config, call_id id) {
  auto& state = self->state;
  const auto found = state.questions.find(id);
  if (found == state.questions.end() || !found->second.sink)
    return;
  ++state.withdrawn;
  auto& lane = state.lanes.at(found->second.run);
  if (found->second.waiting) {
    std::erase(lane.waiting, id);
    return forget(self, found);
  }
  state.wheel->cancel(found->second.deadline);
  unwatch(self, found->second.sink);
  found->second.sink = answer_sink_actor{};
  self->send(target_of(*config, lane.where), withdraw_calls{lane.where.run, milliseconds{0}, {id}});
}

std::unordered_map<run_id, lane_state>::iterator
close(self_pointer self, const config_ptr& config, std::unordered_map<run_id, lane_state>::iterator which) {
  auto& lane = which->second;
  self->send(target_of(*config, lane.where), close_lane{lane.where.run});
  self->state.lanes_by_key.erase(lane.key);
  return self->state.lanes.erase(which);
}

} // namespace assay::gateway_detail
