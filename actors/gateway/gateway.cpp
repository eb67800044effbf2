#include "actors/gateway/gateway.hpp"

#include "actors/gateway/gateway_detail.hpp"
#include "protocol/errors.hpp"

#include <map>
#include <utility>
#include <vector>

namespace assay {

using namespace gateway_detail;

namespace {

/// Answers on their way back, one message for each who waits.
class replies {
public:
  void add(const answer_sink_actor& sink, call_outcome&& outcome) {
    auto& entry = by_sink_[sink.address()];
    entry.first = sink;
    entry.second.outcomes.push_back(std::move(outcome));
  }
  void send(self_pointer self) {
    for (auto& [address, entry] : by_sink_)
      self->send(entry.first, std::move(entry.second));
  }

private:
  std::map<caf::actor_addr, std::pair<answer_sink_actor, call_outcome_batch>> by_sink_;
};

void on_outcomes(self_pointer self, const config_ptr& config, call_outcome_batch& batch) {
  auto& state = self->state;
  const auto lane = state.lanes.find(batch.run);
  replies out;
  for (auto& outcome : batch.outcomes) {
    const auto found = state.questions.find(outcome.id);
    if (found == state.questions.end() || found->second.run != batch.run || found->second.waiting)
      continue;
    if (outcome.served_by.empty() && lane != state.lanes.end())
      outcome.served_by = lane->second.where.provider.value + "/" + lane->second.where.model.value;
    if (found->second.sink)
      out.add(found->second.sink, std::move(outcome));
    forget(self, found);
  }
  out.send(self);
  if (lane != state.lanes.end())
    pump(self, config, lane->second);
}

void on_credit(self_pointer self, const config_ptr& config, const lane_credit& credit) {
  const auto found = self->state.lanes.find(credit.run);
  if (found == self->state.lanes.end())
    return;
  found->second.credit = credit.calls;
  found->second.why = credit.why;
  found->second.on_the_wire = credit.on_the_wire;
  pump(self, config, found->second);
}

void on_delta(self_pointer self, const config_ptr& config, const call_delta& delta) {
  const auto found = self->state.questions.find(delta.id);
  if (found == self->state.questions.end())
    return;
  found->second.streaming = true;
  if (found->second.sink)
    return self->send(found->second.sink, delta);
  // Nobody reads it, and the wire must not wait for that.
  const auto& where = self->state.lanes.at(found->second.run).where;
  self->send(target_of(*config, where), deltas_taken{delta.id, delta.bytes});
}

void on_taken(self_pointer self, const config_ptr& config, const deltas_taken& taken) {
  const auto found = self->state.questions.find(taken.id);
  if (found == self->state.questions.end())
    return;
  const auto& where = self->state.lanes.at(found->second.run).where;
  self->send(target_of(*config, where), taken);
}

/// What is told of a question whose time is up: that it was never asked, and what it waited for, or that the
/// model did not answer.
fault why_late(const lane_state& lane, const open_question& open) {
  const auto text = std::to_string(open.timeout.count()) + " ms";
  const bool only_waited = open.waiting || (!open.streaming && lane.on_the_wire == 0 && !lane.why.empty());
  if (!only_waited)
    return {errc::provider_timeout,
            "the model did not answer within " + text,
            {},
            "give it more time, or ask another model"};
  return {errc::rate_limited,
          "the model took no question within " + text
              + (lane.why.empty() ? ": those before it were not through" : ": " + lane.why),
          {},
          "ask again later, give it more time, or ask another model"};
}

/// Whoever asked is answered now; the call itself is withdrawn.
void on_deadline(self_pointer self, const config_ptr& config, call_id id, replies& out) {
  const auto found = self->state.questions.find(id);
  if (found == self->state.questions.end() || !found->second.sink)
    return;
  const auto& open = found->second;
  out.add(open.sink, failed_outcome(id, why_late(self->state.lanes.at(open.run), open), config->wall()));
  withdraw(self, config, id);
}

void close_idle_lanes(self_pointer self, const config_ptr& config) {
  auto& lanes = self->state.lanes;
  const auto now = self->clock().now();
  for (auto it = lanes.begin(); it != lanes.end();) {
    const bool over = it->second.idle() && now - it->second.idle_since >= config->idle_lane;
    it = over ? close(self, config, it) : std::next(it);
  }
}

void on_tick(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  state.ticking = false;
  replies out;
  state.wheel->expire(self->clock().now(), [&](call_id id) { on_deadline(self, config, id, out); });
  out.send(self);
  close_idle_lanes(self, config);
  if (!state.lanes.empty())
    start_ticking(self, config);
}

void fail_all(self_pointer self, const config_ptr& config) {
  replies out;
  for (const auto& [id, open] : self->state.questions)
    if (open.sink)
      out.add(open.sink,
              failed_outcome(
                  id, {errc::actor_lost, "the farm lost the question and restarts a part", {}, "ask again"},
                  config->wall()));
  out.send(self);
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  auto& state = self->state;
  if (down.source == config->router.address() || down.source == config->cache.address()) {
    fail_all(self, config);
    return self->quit(to_caf_error({errc::actor_lost, "the router or the cache ended", "gateway", {}}));
  }
  if (state.watched_sinks.find(down.source) == state.watched_sinks.end())
    return;
  std::vector<call_id> orphans;
  for (const auto& [id, open] : state.questions)
    if (open.sink && open.sink.address() == down.source)
      orphans.push_back(id);
  for (const auto id : orphans)
    withdraw(self, config, id);
}

gauges own_gauges(const gateway_state& state) {
  const auto number = [](metric family, uint64_t value) {
    return gauge{family, {}, static_cast<double>(value)};
  };
  return {{number(metric::gateway_open_questions, state.questions.size()),
           number(metric::gateway_lanes, state.lanes.size()),
           number(metric::gateway_questions_total, state.asked),
           number(metric::gateway_refused_total, state.refused),
           number(metric::gateway_withdrawn_total, state.withdrawn)},
          {}};
}

} // namespace

namespace gateway_detail {

void start_ticking(self_pointer self, const config_ptr& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config->tick_interval, tick{});
}

} // namespace gateway_detail

gateway_actor::behavior_type gateway(self_pointer self, gateway_config given) {
  const auto config = std::make_shared<const gateway_config>(std::move(given));
  self->state.chance = dice{config->seed};
  self->state.wheel.emplace(self->clock().now(), milliseconds{10});
  self->monitor(config->router);
  self->monitor(config->cache);
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  return {
      [self, config](call_outcome_batch& batch) { on_outcomes(self, config, batch); },
      [self, config](const lane_credit& credit) { on_credit(self, config, credit); },
      [self, config](const call_delta& delta) { on_delta(self, config, delta); },
      [](const calls_on_the_wire&) {}, // The router's business.
      [self, config](ask_models& wish) { on_questions(self, config, wish); },
      [self, config](const withdraw_questions& wish) {
        for (const auto id : wish.calls)
          withdraw(self, config, id);
      },
      [self, config](const deltas_taken& taken) { on_taken(self, config, taken); },
      [self](const read_gauges&) { return own_gauges(self->state); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
