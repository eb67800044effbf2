#pragma once

#include "actors/fleet/batch_desk.hpp"

/// What the parts of the batch desk share. Private to batch_desk*.cpp.
namespace assay::batch_desk_detail {

using self_pointer = batch_desk_actor::stateful_pointer<batch_desk_state>;
using config_ptr = std::shared_ptr<const batch_desk_config>;
using chunk = batch_desk_state::chunk;
using lane_state = batch_desk_state::lane_state;
using account = batch_desk_state::account;
using phase = batch_desk_state::phase;

inline constexpr const char* table_name = "batches";

inline account& account_of(self_pointer self, const chunk& which) {
  return self->state.accounts[which.account];
}

// -- batch_desk.cpp: calls and time

call_sink_actor own_sink(self_pointer self);
void start_ticking(self_pointer self, const config_ptr& config);

/// Gathers what goes back, one message for each run; then says what has changed of the runs.
class answers {
public:
  answers(self_pointer self, const config_ptr& config) : self_(self), config_(config) {}
  ~answers() = default;
  answers(const answers&) = delete;
  answers& operator=(const answers&) = delete;

  /// Ends a call. Nobody is told when its run is not asked for any more.
  void back(run_id run, call_outcome&& outcome);
  void refuse(run_id run, call&& request, fault reason, bool billed);
  /// For the monitor: a batch has ended this call.
  void observe(call_observation&& seen) { observations_.calls.push_back(std::move(seen)); }
  /// Has the router ask it.
  void online(run_id run, call&& request);
  /// Sends everything.
  void send();

private:
  self_pointer self_;
  const config_ptr& config_;
  std::map<run_id, call_outcome_batch> batches_;
  std::set<run_id> touched_;
  observe_calls observations_;
};

/// Puts calls back in line for a next batch, before all others.
void gather_again(self_pointer self, lane_state& lane, std::vector<std::pair<call, std::string>>&& calls);

// -- batch_desk_lanes.cpp: runs that come, wait and go

void add_lane(self_pointer self, const config_ptr& config, const open_lane& wish);
/// Whoever asked has fallen, or the farm stops: the batches go on, and their calls can be claimed again.
void suspend(self_pointer self, const config_ptr& config, run_id run);
/// The run has ended: nothing of it is wanted any more.
void close(self_pointer self, const config_ptr& config, const close_lane& wish);
void withdraw(self_pointer self, const config_ptr& config, const withdraw_calls& wish);
/// @param billed the provider may have worked on them.
void end_calls_of(lane_state& lane, chunk& which, bool billed, answers& out);

// -- batch_desk_budget.cpp: money

/// @returns what the call may cost in a batch of the lane; nothing when its prices are not known.
std::optional<money> worst_of(const batch_desk_config& config, const lane_state& lane, const account& from,
                              const call& request);
/// Lowers what the provider has counted to what is possible. After a restart nobody may know any more what
/// was asked: then each direction has the longest answer's bound.
void bound_usage(const batch_desk_config& config, const lane_state& lane, const batch_desk_state::row& row,
                 call_outcome& outcome);
/// @returns what a result costs; the worst where it does not say.
money charge_of(const lane_state& lane, const account& from, const batch_desk_state::row& row,
                const call_outcome& outcome);
/// What its calls may cost at most, by what is known of them.
money worst_of(const chunk& which) noexcept;
/// @returns the batch of the lane that waits for money, of which there is at most one.
chunk* paying_of(batch_desk_state& state, const lane_state& lane);
bool waits_for_budget(self_pointer self, const batch_desk_config& config, const lane_state& lane);
/// Asks for the money of a batch.
void pay(self_pointer self, const config_ptr& config, lane_state& lane, chunk& which);
/// The batch is over, or will never be made. Only the first of these counts.
void settle_money(self_pointer self, const config_ptr& config, chunk& which, money spent);
void on_lease(self_pointer self, const config_ptr& config, const lease_granted& news, answers& out);
void on_lease(self_pointer self, const config_ptr& config, const lease_refused& news, answers& out);
/// A row that no batch can be made of any more: what it may have cost is spent.
void spend_lost_row(self_pointer self, const config_ptr& config, const std::string& text);
/// Tells the keeper which batches go on.
void take_over(self_pointer self, const config_ptr& config);

// -- batch_desk_chunks.cpp: the steps of a batch

/// Makes the next batch of a lane's gathered calls.
void cut(self_pointer self, const config_ptr& config, lane_state& lane, answers& out);
/// Goes on to @p next after @p wait.
void go(self_pointer self, const config_ptr& config, chunk& which, phase next,
        std::chrono::milliseconds wait = std::chrono::milliseconds{0});
/// Does what is due.
void step(self_pointer self, const config_ptr& config, chunk& which, answers& out);
void on_encoded(self_pointer self, const config_ptr& config, batch_encoded& done, answers& out);
void on_committed(self_pointer self, const config_ptr& config, const committed& news, answers& out);
/// Removes a batch and its row; its calls are somebody else's by now.
void drop(self_pointer self, const config_ptr& config, const std::string& id);
/// Asks the provider to end it. @param grace after which its calls end too.
void cancel(self_pointer self, const config_ptr& config, chunk& which, std::chrono::milliseconds grace);
/// @returns whether nothing of it can be at the provider.
bool not_made_yet(const chunk& which) noexcept;

// -- batch_desk_replies.cpp: what a provider says

/// @param outcome what became of the batch's request.
void on_reply(self_pointer self, const config_ptr& config, chunk& which, const http_outcome& outcome,
              answers& out);

// -- batch_desk_rows.cpp: rows of the store, results, and what is asked again

std::string row_key(const chunk& which);
std::string row_text(const chunk& which, const account& from);
/// Writes the row of a batch under the next watermark.
void save(self_pointer self, const config_ptr& config, const chunk& which);
void erase_row(self_pointer self, const config_ptr& config, const std::string& key);
void begin_recall(self_pointer self, const config_ptr& config);
void on_recalled(self_pointer self, const config_ptr& config, batches_recalled& found);

/// Tells a worker's decoded rows apart: those of @p label, and others'.
batch_results_read sorted_results(const codecs::batch_label& label, size_t rows,
                                  std::vector<codecs::batch_row>&& found, wall_time now);

/// Names what a call asks, in 32 letters and digits.
std::string question_of(const lane_state& lane, const provider_profile& provider, const call& request);
/// @returns whether a batch from before has, or will have, the answer.
bool claim(self_pointer self, const config_ptr& config, lane_state& lane, call& request,
           const std::string& question, answers& out);
/// Nobody asks for the calls of a batch for now: they can be claimed.
void release_calls(batch_desk_state& state, lane_state& lane, chunk& which);
void on_results(self_pointer self, const config_ptr& config, batch_results_read& done, answers& out);
/// All results are here: what has none failed.
void complete(self_pointer self, const config_ptr& config, chunk& which, answers& out);
/// Its calls go to the router one by one.
void ask_online(self_pointer self, const config_ptr& config, chunk& which, const fault& reason, bool billed,
                answers& out);
/// @returns the calls of a batch with their questions; they are not the batch's any more.
std::vector<std::pair<call, std::string>> take_calls(lane_state& lane, chunk& which);

} // namespace assay::batch_desk_detail
