#pragma once

#include "actors/fleet/model_router.hpp"

/// What the parts of the model router share. Private to model_router*.cpp.
namespace assay::router_detail {

using self_pointer = model_router_actor::stateful_pointer<model_router_state>;
using lane_state = model_router_state::open_lane_state;
using lane_target = model_router_state::lane_target;
using open_call = model_router_state::open_call;
using provider_state = model_router_state::provider_state;

call_sink_actor own_sink(self_pointer self);
void start_ticking(self_pointer self, const model_router_config& config);

/// The lane as the provider of one of its targets sees it.
lane lane_at(const lane_state& lane, const lane_target& target);
call_outcome failed_outcome(call&& request, fault reason, wall_time now);

// -- model_router_calls.cpp: the way of calls and answers

void forward(self_pointer self, const model_router_config& config, call_batch& batch);
void pass_back(self_pointer self, const model_router_config& config, call_outcome_batch& batch);
/// Sends everything again that @p provider had: it may have reached the wire.
void resend_calls(self_pointer self, const provider_id& provider);
/// Sends the calls of a provider that does not come back elsewhere, and fails those that can go nowhere.
void abandon(self_pointer self, const model_router_config& config, const provider_id& provider);
/// A target can take calls again: those that wait at others, which cannot, come back for it.
void recall_parked(self_pointer self, const lane_state& lane);

/// Ends the open calls that @p wanted picks, each with @p reason.
template <class Wanted>
void end_calls(self_pointer self, const model_router_config& config, const fault& reason, Wanted wanted) {
  std::unordered_map<run_id, call_outcome_batch> answers;
  for (auto it = self->state.calls.begin(); it != self->state.calls.end();) {
    auto& open = it->second;
    const auto lane = self->state.lanes.find(open.run);
    if (lane == self->state.lanes.end() || !wanted(open, lane->second)) {
      ++it;
      continue;
    }
    auto& answer = answers[open.run];
    answer.run = open.run;
    --lane->second.open;
    --lane->second.targets[open.target].seen->in_use;
    answer.outcomes.push_back(failed_outcome(std::move(open.request), reason, config.wall()));
    it = self->state.calls.erase(it);
  }
  for (auto& [run, answer] : answers)
    self->send(self->state.lanes[run].sink, std::move(answer));
}

inline bool is_at(const open_call& open, const lane_state& lane, const provider_id& provider) {
  return lane.targets[open.target].model.provider == provider;
}

} // namespace assay::router_detail
