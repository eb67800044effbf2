#pragma once

#include "actors/gateway/gateway.hpp"

#include <memory>

/// What the two source files of the gateway share.
namespace assay::gateway_detail {

using self_pointer = gateway_actor::stateful_pointer<gateway_state>;
using config_ptr = std::shared_ptr<const gateway_config>;
using lane_state = gateway_state::lane_state;
using open_question = gateway_state::open_question;

void start_ticking(self_pointer self, const config_ptr& config);

/// @returns who takes the lane's calls.
inline const call_target_actor& target_of(const gateway_config& config, const lane& where) {
  return where.cache == cache_use::off ? config.router : config.cache;
}

/// @returns how a question ends that was not answered.
call_outcome failed_outcome(call_id id, fault reason, wall_time now);

/// New questions: each finds its lane or is refused.
void on_questions(self_pointer self, const config_ptr& config, ask_models& wish);
/// Sends what has waited for credit.
void pump(self_pointer self, const config_ptr& config, lane_state& lane);
/// Forgets a question whose end has come.
void forget(self_pointer self, std::unordered_map<call_id, open_question>::iterator which);
/// Ends the question at once where it only waits, else withdraws it from the target and waits for its end.
void withdraw(self_pointer self, const config_ptr& config, call_id id);
/// Closes the lane, which must be idle. @returns the next one.
std::unordered_map<run_id, lane_state>::iterator
close(self_pointer self, const config_ptr& config, std::unordered_map<run_id, lane_state>::iterator which);

} // namespace assay::gateway_detail
