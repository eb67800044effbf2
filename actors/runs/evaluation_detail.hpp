#pragma once

#include "actors/runs/evaluation.hpp"

/// What the parts of the evaluation actor share. Private to evaluation*.cpp.
namespace assay::evaluation_detail {

using self_pointer = evaluation_actor::stateful_pointer<evaluation_state>;
using phase = evaluation_state::phase;

/// Handlers share one copy of the configuration.
struct context {
  evaluation_config config;
  run_supervisor_actor parent;
};
using context_ptr = std::shared_ptr<const context>;

// -- evaluation_samples.cpp: asking, keeping, counting

/// Hands rows to the journal under the next watermark.
void hand_over(self_pointer self, const context_ptr& ctx, append_batch&& rows);
/// Books calls that may have been paid for and that nobody will ask again as lost.
void lose_ready_calls(evaluation_state& state);
/// The run's place in waiting lines.
lane lane_of(const evaluation_state& state, const context& ctx);
/// Sends as many calls as credit allows and reads on; ends the asking when nothing is left.
void pump(self_pointer self, const context_ptr& ctx);
void on_loaded(self_pointer self, const context_ptr& ctx, samples_loaded& page);
void on_outcomes(self_pointer self, const context_ptr& ctx, call_outcome_batch& batch);
/// Applies what is durable now to the counters.
void apply_commits(evaluation_state& state, uint64_t watermark);
/// @param goes_on The run goes on at the next start of the farm: batches stay at their providers.
void withdraw(self_pointer self, const context_ptr& ctx, std::optional<milliseconds> grace,
              bool goes_on = false);

// -- evaluation_log.cpp

/// Adds a `log` event for each sample in @p rows that failed for good; for the first few of a run.
/// @param reasons what the provider said to each of the samples in @p rows.
void log_failures(evaluation_state& state, const context& ctx, append_batch& rows,
                  const std::vector<std::string>& reasons);

/// Counts the calls that are out into the record: on the wire, as far as the target has said, or waiting.
void count_open_calls(evaluation_state& state);
/// Counts the time in which the run was under way into the record, up to now.
void count_active_time(self_pointer self);
/// What a crash now would lose is on record before it is asked. The numbers only grow until the run rests, so
/// this writes a few times in its life.
void note_open_calls(self_pointer self, const context_ptr& ctx);
/// Shows everybody the record as it is now.
void report(self_pointer self, const context_ptr& ctx);

/// Says to everybody that no call goes out, and why, or that they go out again.
void tell_waiting(self_pointer self, const context_ptr& ctx, const std::string& why);

// -- evaluation.cpp: the life of the run

/// The record as the newest stage has it, committed or not.
run_record wanted_record(const evaluation_state& state);

/// Has the record written as it is now.
void keep_record(self_pointer self, const context_ptr& ctx);

/// Runs @p job on a worker; later when there is no room now.
void run_job(self_pointer self, const context_ptr& ctx, std::function<void()> job);
/// The run comes to rest and then takes @p state.
void end_run(self_pointer self, const context_ptr& ctx, run_state state, std::optional<fault> reason,
             milliseconds grace);
/// Goes on to the summary, or quits a draining run, once nothing is out any more.
void settle(self_pointer self, const context_ptr& ctx);

} // namespace assay::evaluation_detail
