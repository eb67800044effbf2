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

/// What is appended together, and what it means for the counters.
struct harvest {
  append_batch rows;
  std::vector<std::string> reasons; ///< Of each sample in rows: what the provider said; empty for none.
  std::vector<std::string>
      servers; ///< Of each sample in rows: who answered, where the run has several models.
  evaluation_state::uncommitted effect;
};

// -- evaluation_rows.cpp: what is kept of calls

size_t prompt_bytes(const loaded_sample& sample);
shared_text joined_prompt(const std::vector<chat_message>& messages);
/// Takes what it needs of @p outcome, all but its answer.
response_record make_response(run_id run, const sample_address& address, call_outcome& outcome);
/// @param since_asked How long ago the call was made.
sample_record make_sample(const evaluation_state& state, const loaded_sample& sample,
                          const call_outcome& outcome, nanoseconds since_asked);
/// The record of a sample whose answer, or fault, is there already.
sample_record make_sample(const evaluation_state& state, const loaded_sample& sample);
void fail(sample_record& row, errc code);
bool is_possibly_billed(const call_outcome& outcome);
/// Counts the sample's record into @p effect.
void count(evaluation_state& state, const sample_record& row, evaluation_state::uncommitted& effect);
void add(run_progress& total, const run_progress& delta);
/// Failures that every further call would meet as well.
bool ends_the_run(errc code);
/// Failures of calls that nobody has asked: they were withdrawn.
bool goes_back(errc code);

// -- evaluation_samples.cpp: asking, keeping, counting

/// Hands rows to the journal under the next watermark.
void hand_over(self_pointer self, const context_ptr& ctx, append_batch&& rows);
/// Hands samples to the journal; they count once they are durable.
void keep(self_pointer self, const context_ptr& ctx, harvest&& crop);
void reap(evaluation_state& state, harvest& crop, sample_record&& row, std::string&& reason = {},
          std::string&& served_by = {});
/// Books calls that may have been paid for and that nobody will ask again as lost.
void lose_ready_calls(evaluation_state& state);
/// The run's place in waiting lines.
lane lane_of(const evaluation_state& state, const context& ctx);
/// Sends as many calls as credit allows and reads on; ends the asking when nothing is left.
void pump(self_pointer self, const context_ptr& ctx);
/// @returns whether new calls may go out.
bool may_ask(const evaluation_state& state);
/// A number for a call. An actor's id is unique in the process, so its calls are too.
call_id next_call_id(self_pointer self);
void on_loaded(self_pointer self, const context_ptr& ctx, samples_loaded& page);
void on_outcomes(self_pointer self, const context_ptr& ctx, call_outcome_batch& batch);
/// Applies what is durable now to the counters.
void apply_commits(evaluation_state& state, uint64_t watermark);
/// @param goes_on The run goes on at the next start of the farm: batches stay at their providers.
void withdraw(self_pointer self, const context_ptr& ctx, std::optional<milliseconds> grace,
              bool goes_on = false);

// -- evaluation_turns.cpp: conversations

/// @returns whether more is to be asked after the answer to the present turn.
inline bool has_next_turn(const loaded_sample& sample) noexcept {
  return sample.history && sample.address.step < sample.history->questions.size();
}
/// Where the record of the sample belongs: at its last turn, however far it came.
sample_address record_address(const loaded_sample& sample) noexcept;
/// Puts the answer behind the sample and makes its next turn the present one.
void advance_turn(loaded_sample& sample, const shared_text& answer, const call_outcome& outcome,
                  milliseconds took);
/// Turns whose answers are durable now are asked next.
void release_turns(evaluation_state& state, uint64_t watermark);
/// Adds what the turns before took to the record of the sample.
void add_history(const loaded_sample& sample, sample_record& row);

// -- evaluation_scoring.cpp: scorers outside

/// Jobs that gather while a handler runs.
struct scoring_jobs {
  std::vector<sandbox_job> sandbox;
  std::vector<python_job> python;
};

inline bool scores_outside(const evaluation_state& state, const loaded_sample& sample) {
  return !state.record.spec.predict_only && !(*state.plan)[sample.address.task].outside.empty();
}
/// @returns whether one more answer may be given to scorers outside.
bool has_room_to_score(const evaluation_state& state, const context& ctx) noexcept;
/// Cheap scorers run right here, well under a millisecond each.
void score_inline(const evaluation_state& state, sample_record& row, std::string_view answer,
                  std::string_view target);
/// An answer that is on its way to the disk goes to its scorers outside; ends in @p crop at once where they
/// want nothing done.
void begin_scoring(self_pointer self, const context_ptr& ctx, loaded_sample&& sample, sample_record&& row,
                   const shared_text& answer, std::string&& served_by, scoring_jobs& jobs, harvest& crop);
void send_jobs(self_pointer self, const context_ptr& ctx, scoring_jobs&& jobs);
void on_sandbox_results(self_pointer self, const context_ptr& ctx, sandbox_results& news);
void on_python_results(self_pointer self, const context_ptr& ctx, python_results& news);
/// Ends jobs that nobody has answered.
void expire_scorings(self_pointer self, const context_ptr& ctx);
/// What is not being scored yet waits for better times: jobs and waiting calls of judges are withdrawn, their
/// answers stay. @param jobs Those at the sandbox and the Python host too.
void withdraw_scorings(self_pointer self, const context_ptr& ctx, std::optional<milliseconds> grace,
                       bool jobs);

/// What a batch of replies has led to.
struct turn_of_events {
  harvest crop;
  std::optional<fault> fatal;
};

/// The job is answered; with the last reply its sample ends in @p crop.
void take_reply(evaluation_state& state, const evaluation_state::job_place& place, scoring_reply&& reply,
                harvest& crop);
/// The job will not be answered: its scoring ends unscored.
void lose_job(evaluation_state& state, const evaluation_state::job_place& place, harvest& crop);
/// Keeps what has ended, then goes on, or ends the run.
void go_on(self_pointer self, const context_ptr& ctx, turn_of_events&& events);

// -- evaluation_judges.cpp

/// Opens the lanes of the run's judges.
void open_judges(self_pointer self, const context_ptr& ctx);
void close_judges(self_pointer self, const context_ptr& ctx);
/// @returns whether new calls of judges may go out.
bool judges_may_go(const evaluation_state& state) noexcept;
/// Puts the question into the judge's line, or answers it when its verdict is stored already.
void ask_judge(self_pointer self, const context& ctx, evaluation_state::open_scoring& scoring,
               const evaluation_state::job_place& place, judge_question&& question);
/// Sends what waits for the judges' credit.
void pump_judges(self_pointer self, const context_ptr& ctx);
/// Takes calls that wait out of the line, and asks for those that are out.
void withdraw_judges(self_pointer self, const context_ptr& ctx, std::optional<milliseconds> grace,
                     harvest& crop);
void on_judged(self_pointer self, const context_ptr& ctx, call_outcome_batch& batch);
void on_judge_credit(self_pointer self, const context_ptr& ctx, const lane_credit& credit);

// -- evaluation_stopping.cpp

/// Once enough is known, what waits is taken back; what is on its way is kept, and then the run completes.
void stop_when_enough(self_pointer self, const context_ptr& ctx);
/// What the record says of a run that ends early; nothing of others.
std::optional<early_stop> early_end(const evaluation_state& state);

// -- evaluation_log.cpp

/// Adds a `log` event for each sample in @p rows that failed for good; for the first few of a run.
/// @param reasons what the provider said to each of the samples in @p rows.
void log_failures(evaluation_state& state, const context& ctx, append_batch& rows,
                  const std::vector<std::string>& reasons);

/// Counts the calls that are out into the record: on the wire, as far as the target has said, or waiting.
void count_open_calls(evaluation_state& state);
/// Says that the run is under way from now on.
void start_active_time(self_pointer self, const context& ctx);
/// Counts the time in which the run was under way into the record, up to now.
void count_active_time(self_pointer self, const context& ctx);
/// What a crash now would lose is on record before it is asked. The numbers only grow until the run rests, so
/// this writes a few times in its life.
void note_open_calls(self_pointer self, const context_ptr& ctx);
/// Shows everybody the record as it is now.
void report(self_pointer self, const context_ptr& ctx);

/// Says to everybody that no call goes out, and why, or that they go out again.
void tell_waiting(self_pointer self, const context_ptr& ctx, const std::string& why);

// -- evaluation_verbs.cpp

caf::result<run_record> command(self_pointer self, const context_ptr& ctx, const command_run& wish);

// -- evaluation.cpp: the life of the run

/// Sends the run on to @p next, with an event when something happened that people wait for. Others are shown
/// it once it is durable. @param counts What the run brings into the result database; empty for nothing.
/// @returns the watermark to wait for.
uint64_t move_on(self_pointer self, const context_ptr& ctx, evaluation_state::stage next,
                 std::optional<event_type> type, std::optional<std::string> result_document = std::nullopt,
                 std::string counts = {});
/// @param type The event when it is not the first start of a generation.
uint64_t start_running(self_pointer self, const context_ptr& ctx, std::optional<event_type> type);
/// Answers with the record once the store has all that it says.
caf::result<run_record> reply_when_stored(self_pointer self);

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
