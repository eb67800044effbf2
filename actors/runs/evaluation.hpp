#pragma once

#include "actors/clocks.hpp"
#include "actors/runs/run_workers.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "protocol/actors.hpp"
#include "storage/write_batch.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace assay {

struct evaluation_config {
  run_record record;
  run_worker_factory make_worker;
  std::shared_ptr<executor> workers;
  journal_actor journal;
  event_hub_actor event_hub;
  call_target_actor router;
  call_target_actor judges; ///< Who takes the calls of judges, one by one. Invalid: the router.
  sandbox_actor sandbox;    ///< Invalid where there is none; scorers that need it fail then.
  python_host_actor python; ///< As sandbox.
  monitor_actor monitor;    ///< Hears how good the answers are.
  uint32_t tenant_weight = 1;
  milliseconds call_timeout{600'000};
  /// Answers that may wait for their commit before new calls are held back.
  uint32_t max_uncommitted = 4'096;
  /// Answers that may be with scorers outside before new calls are held back.
  uint32_t max_scorings = 256;
  /// How long a job may stay with the sandbox or the Python host, its wait included.
  milliseconds scoring_timeout{900'000};
  /// Prompt, answer and target of one sample; what is larger cannot be stored and fails its sample. Leaves
  /// room for names and error texts.
  size_t max_kept_bytes = storage::max_text_bytes - (size_t{1} << 20);
  /// Samples read ahead of the calls, beyond one page.
  uint32_t read_ahead = 256;
  uint32_t page_size = 256;
  /// So many failures in a row, without one answer, end the run.
  uint32_t hopeless_after = 50;
  milliseconds cancel_grace{30'000};
  milliseconds progress_interval{500};
  wall_clock wall = wall_now;
};

/// @relates evaluation
struct evaluation_state {
  static inline const char* name = "evaluation";

  enum class phase : uint8_t {
    recovering,  ///< A worker looks what the store already has.
    asking,      ///< Reads samples, asks, keeps answers. Also while paused.
    summarising, ///< A worker computes the result.
    closing,     ///< The last record is on its way to the store.
  };

  struct open_call {
    loaded_sample sample;
    std::chrono::steady_clock::time_point asked_at{};
  };

  /// What changes in the record once a watermark is committed.
  struct uncommitted {
    uint64_t watermark = 0;
    run_progress delta;
    uint32_t lost_calls = 0;
    std::vector<uint16_t> tasks; ///< One entry a sample.
    /// Row and score of each sample, for a run that may end early.
    std::vector<std::pair<uint32_t, std::optional<double>>> scores;
  };

  /// A turn whose answer must be durable before the next one is asked.
  struct finished_turn {
    uint64_t watermark = 0;
    loaded_sample next;
  };

  /// An answer that is being scored outside.
  struct open_scoring {
    loaded_sample sample;
    sample_record row; ///< As far as it is known.
    shared_text answer;
    std::string served_by;
    std::string secret;
    std::vector<std::vector<scoring_reply>> replies; ///< Of each outside scorer.
    std::vector<shared_text> turns;                  ///< All answers of the conversation.
    size_t missing = 0;                              ///< Replies that have not come.
    bool given_up = false;                           ///< Ends unscored once nothing of it is out any more.
    std::chrono::steady_clock::time_point since{};
  };

  /// Which reply a job is for.
  struct job_place {
    uint64_t scoring = 0;
    size_t scorer = 0; ///< In task_plan::outside.
    size_t job = 0;
  };

  enum class job_host : uint8_t { sandbox, python };

  struct host_job {
    job_place place;
    job_host host = job_host::sandbox;
  };

  struct judge_call {
    job_place place;
    size_t judge = 0;
    shared_text prompt; ///< As it is kept; empty when the run does not log samples.
  };

  /// The lane of one judge: it has an id of its own, and the run's budget.
  struct judge_lane {
    lane where;
    uint32_t credit = 0;
    uint32_t out = 0;
    std::deque<call> waiting; ///< For credit.
  };

  /// Everything of answers that are scored outside. Empty in most runs.
  struct outside_work {
    std::unordered_map<uint64_t, open_scoring> open;
    std::unordered_map<uint64_t, host_job> jobs;
    std::unordered_map<call_id, judge_call> calls;
    std::vector<judge_lane> judges; ///< As run_spec::judges.
    uint64_t next_scoring = 0;
    uint64_t next_job = 0;
    uint64_t chance = 0; ///< State of the secrets' generator.
  };

  struct waiting_reply {
    uint64_t watermark = 0;
    caf::typed_response_promise<run_record> promise;
  };

  /// Where the run stands in its life: what verbs and ends change in its record.
  struct stage {
    run_state state = run_state::queued;
    std::optional<wall_time> started_at;
    std::optional<wall_time> finished_at;
    std::optional<fault> error;
    bool yielded = false;
  };

  struct uncommitted_stage {
    uint64_t watermark = 0;
    stage next;
  };

  /// What others are shown: its stage is the one that the store has, its counters are of committed samples.
  run_record record;
  stage wanted; ///< The newest stage, committed or not. The run acts by this one.
  std::deque<uncommitted_stage> stages;
  phase now = phase::recovering;
  std::shared_ptr<run_worker> worker; ///< Used by one job at a time.
  std::shared_ptr<const run_plan> plan;
  /// Work that the executor had no room for; offered again at the next tick.
  std::function<void()> unplaced_job;

  bool loading = false;
  bool end_of_samples = false;
  std::deque<loaded_sample> ready;
  std::unordered_map<call_id, open_call> open;
  std::deque<finished_turn> turns;
  outside_work outside;
  uint32_t credit = 0;
  uint32_t on_the_wire = 0;         ///< Of the open calls, as the target said last.
  uint32_t on_the_wire_at_most = 0; ///< Of the open calls, as the target said; 0 before it has.
  uint64_t next_call = 0;
  double answer_tokens = 0; ///< Moving average, for estimates; 0 until the first answer.

  uint64_t next_watermark = 0;
  uint64_t durable_watermark = 0;
  std::deque<uncommitted> pending;
  uint32_t uncommitted_samples = 0;
  std::vector<uint64_t> done_by_task;
  std::vector<std::optional<epoch_board>> boards; ///< Of tasks whose repeats are not averaged. Mostly none.
  std::unique_ptr<stop_watch> watch;              ///< Of a run that may end early; else null.
  bool enough = false;                            ///< It is known well enough: nothing new is asked.
  std::deque<waiting_reply> replies;

  uint32_t failures_in_a_row = 0;
  uint32_t logged_failures = 0;
  uint32_t logged_waits = 0;
  bool wait_is_told = false; ///< By the log, which has not told its end yet.
  std::optional<fault> last_failure;
  std::optional<run_state> ends_as; ///< The state that the run takes when it has come to rest.
  std::optional<fault> ends_with;
  std::optional<run_state> summarised_as; ///< What the result document says.
  uint64_t closing_watermark = 0;
  bool has_asked = false; ///< The present actor has begun to ask.
  bool draining = false;
  uint64_t rest_watermark = 0; ///< Of the record that a drained run leaves behind; 0 before.
  std::optional<std::chrono::steady_clock::time_point> drain_until;

  bool ticking = false;
  bool changed = false; ///< Since the last progress.
  uint64_t done_at_last_tick = 0;
  std::chrono::steady_clock::time_point last_tick{};
  nanoseconds running_for{0}; ///< For the time limit; pauses do not count.
  /// Since when the run's active time is to be counted; unset while it rests.
  std::optional<std::chrono::steady_clock::time_point> active_since;
  std::chrono::steady_clock::time_point kept_at{}; ///< When the record was written last.
};

/// Asks every sample of one run, turn by turn where it has several. Never has more calls out than credit, nor
/// its dataset in memory. An answer goes to the journal before it is scored, here or outside, and counts when
/// it is committed.
evaluation_actor::behavior_type evaluation(evaluation_actor::stateful_pointer<evaluation_state> self,
                                           evaluation_config config, run_supervisor_actor parent);

} // namespace assay
