#pragma once

#include "actors/fleet/provider.hpp"

/// What the parts of the provider actor share. Private to provider*.cpp.
namespace assay::provider_detail {

using self_pointer = provider_actor::stateful_pointer<provider_state>;
using model_state = provider_state::model_state;
using open_call = provider_state::open_call;
using call_phase = provider_state::call_phase;
using config_ptr = std::shared_ptr<const provider_config>;

/// Outcomes that one handler produced, sent as one message a run.
class outcome_box {
public:
  void add(run_id run, call_outcome&& outcome);
  void send(self_pointer self);
  /// Leaves the sending to another box.
  void move_to(outcome_box& other);

private:
  std::unordered_map<run_id, call_outcome_batch> by_run_;
};

// -- provider_children.cpp: limiters and the connection

void start_wire(self_pointer self, const config_ptr& config);
void start_limiter(self_pointer self, const config_ptr& config, model_state& model, bool restarted);
void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down);
/// Restarts children whose backoff is over; who calls it lets the waiting calls go on.
void restart_due_children(self_pointer self, const config_ptr& config);
bool waits_for_children(const provider_state& state);
void remember(self_pointer self, const config_ptr& config);
/// Its own gauges, its connection's and its limiters'.
caf::result<gauges> gather_gauges(self_pointer self, const provider_config& config, const read_gauges& asked);
/// @returns the breaker of @p model as the predecessor left it, and its limiter's memory.
std::pair<control::breaker_record, std::string> recall(const provider_config& config, const model_id& model);

// -- provider_calls.cpp: the way of a call

void enqueue(self_pointer self, const config_ptr& config, call_batch& batch);
void pump(self_pointer self, const config_ptr& config, model_state& model);
void on_granted(self_pointer self, const config_ptr& config, const slots_granted& granted);
void on_results(self_pointer self, const config_ptr& config, exchange_result_batch& batch);
void withdraw(self_pointer self, const config_ptr& config, const withdraw_calls& wish);
/// Ends the exchange of a call whose connection fell or whose deadline passed.
void take_back(self_pointer self, const config_ptr& config, call_id id, const fault& reason,
               outcome_box& box);
void on_tick(self_pointer self, const config_ptr& config);
void start_ticking(self_pointer self, const provider_config& config);

// -- provider.cpp

void update_credit(self_pointer self, model_state& model);

} // namespace assay::provider_detail
