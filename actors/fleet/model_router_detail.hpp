#pragma once

#include "actors/fleet/model_router.hpp"
#include "protocol/outcomes.hpp"

/// What the parts of the model router share. Private to model_router*.cpp.
namespace assay::router_detail {

using self_pointer = model_router_actor::stateful_pointer<model_router_state>;
using lane_state = model_router_state::open_lane_state;
using lane_target = model_router_state::lane_target;
using open_call = model_router_state::open_call;
using provider_state = model_router_state::provider_state;

call_sink_actor own_sink(self_pointer self);
void start_ticking(self_pointer self, const model_router_config& config);

/// @returns whether whoever waits for the call's answer will wait no longer in @p from_now.
inline bool is_too_late(self_pointer self, const call& request, nanoseconds from_now) {
  return request.send_by > nanoseconds{0}
         && self->clock().now().time_since_epoch() + from_now >= request.send_by;
}

/// The lane as the provider of one of its targets sees it.
lane lane_at(const lane_state& lane, const lane_target& target);

/// Tells the lane's sink when its credit, or the reason to wait, has changed.
void tell_credit(self_pointer self, lane_state& lane);

/// A call that gets no money at its target.
struct refused_call {
  call_id id;
  fault reason;
  bool of_target = false; ///< Another target may have money for it.
};

/// Calls on their way: to targets, as one message for each, or back because of their budget.
struct outgoing {
  std::map<std::pair<run_id, size_t>, std::vector<call>> calls;
  std::vector<refused_call> refused;
};

// -- model_router_budget.cpp: the money of calls

/// Opens the purse for the lane, so that its first calls need not wait.
void open_purse(self_pointer self, const model_router_config& config, lane_state& lane);
/// Reserves what the call may cost at its target. Without that it is held, or refused.
void pay(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
         outgoing& out);
/// Settles what the call has cost at its target.
void settle(self_pointer self, lane_state& lane, open_call& open, const call_outcome& outcome);
/// The provider fell while it had the call, once more than was reserved for.
void pay_again(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
               outgoing& out);
/// The lane's held calls that are withdrawn are about to end.
void give_up_held(self_pointer self, const lane_state& lane);
/// The lane ends. What is in flight may be billed.
void close_purse(self_pointer self, const lane_state& lane);
/// Everything that is not reserved goes back: the router ends.
void return_all(self_pointer self, const model_router_config& config);
/// Moves the calls that were refused on to targets that may have money, and ends those that have none left.
void answer_refused(self_pointer self, const model_router_config& config, outgoing& out);
/// Passes the purse's wishes and settlements on.
void tell_keeper(self_pointer self, const model_router_config& config, bool also_small_news = false);
/// Says of lanes that wait for money that they do, and ends the calls whose caller waits no longer.
/// @returns whether some wait.
bool look_at_held(self_pointer self, const model_router_config& config);
void on_lease(self_pointer self, const model_router_config& config, const lease_granted& news);
void on_lease(self_pointer self, const model_router_config& config, const lease_refused& news);
void on_lease(self_pointer self, const model_router_config& config, const lease_recalled& news);

// -- model_router_verbs.cpp: routes seen and changed at run time

/// Under which the store keeps the changes.
inline constexpr const char* routing_key = "router.routes";

monitoring::routing_view routing_now(self_pointer self, const model_router_config& config);
caf::result<monitoring::route_view> change_route(self_pointer self, const model_router_config& config,
                                                 const change_routing& wish);
/// Puts what was changed of the lane's route in force for its next calls.
void apply_changes(self_pointer self, lane_state& lane);
void recall_changes(self_pointer self, const model_router_config& config);

// -- model_router_calls.cpp: the way of calls and answers

void send_out(self_pointer self, const model_router_config& config, outgoing& out);
void forward(self_pointer self, const model_router_config& config, call_batch& batch);
void pass_back(self_pointer self, const model_router_config& config, call_outcome_batch& batch);
/// Sends everything again that @p provider had: it may have reached the wire.
void resend_calls(self_pointer self, const model_router_config& config, const provider_id& provider);
/// Sends the calls of a provider that does not come back elsewhere, and fails those that can go nowhere.
void abandon(self_pointer self, const model_router_config& config, const provider_id& provider);
/// Moves a call on that its target has no money for; a target whose own budget is spent is passed over from
/// then on, until the next day in UTC. @returns whether it went on to another target.
bool go_elsewhere(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
                  const refused_call& refused, outgoing& out);
/// A target can take calls again: those that wait at others, which cannot, come back for it.
void recall_parked(self_pointer self, const lane_state& lane);

/// Takes leave of an open call that is about to be erased.
call_outcome end_call(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
                      const fault& reason);

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
    answer.outcomes.push_back(end_call(self, config, lane->second, open, reason));
    it = self->state.calls.erase(it);
  }
  for (auto& [run, answer] : answers)
    self->send(self->state.lanes[run].sink, std::move(answer));
}

inline bool is_at(const open_call& open, const lane_state& lane, const provider_id& provider) {
  return lane.targets[open.target].model.provider == provider;
}

} // namespace assay::router_detail
