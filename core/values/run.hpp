#pragma once

#include "core/values/cache_use.hpp"
#include "core/values/early_stopping.hpp"
#include "core/values/errors.hpp"
#include "core/values/execution.hpp"
#include "core/values/ids.hpp"
#include "core/values/model.hpp"
#include "core/values/money.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// queued -> preparing -> running <-> paused -> completed | failed | cancelled
enum class run_state : uint8_t {
  queued = 1,
  preparing = 2,
  running = 3,
  paused = 4,
  completed = 5,
  failed = 6,
  cancelled = 7,
};

enum class run_kind : uint8_t {
  evaluation = 1,
  imported = 2,  ///< Made elsewhere: it can be read and compared, and never runs.
  llm_batch = 3, ///< The prompts of one POST /llm_api/batch; lists of evaluations do not show it.
};

enum class run_verb : uint8_t {
  pause = 1,
  resume = 2,
  cancel = 3,
  retry = 4,
  purge = 5,  ///< Removes a final run with all that belongs to it.
  redact = 6, ///< Removes the texts of a final run; its scores stay.
};

std::string_view to_string(run_state state) noexcept;
std::optional<run_state> run_state_from_string(std::string_view name) noexcept;
std::string_view to_string(run_kind kind) noexcept;
std::optional<run_kind> run_kind_from_string(std::string_view name) noexcept;
std::string_view to_string(run_verb verb) noexcept;

/// @returns whether the run will not change any more unless someone retries it.
bool is_final(run_state state) noexcept;

/// The word of the engine API: `created` while queued or preparing, else the state's own name.
std::string_view engine_status(run_state state) noexcept;

/// A file of rows as it was at submission.
struct pinned_file {
  std::string path; ///< Absolute.
  std::string hash; ///< SHA-256, hexadecimal.
  uint64_t rows = 0;

  bool operator==(const pinned_file&) const = default;
};

/// A task as it was at submission. A run never reads the task file again.
struct pinned_task {
  task_id id;
  std::string definition;      ///< The task's YAML text.
  std::string definition_hash; ///< SHA-256, hexadecimal.
  std::string dataset_path;    ///< Absolute.
  std::string dataset_hash;    ///< SHA-256 of the file, hexadecimal.
  uint64_t dataset_rows = 0;
  uint64_t sample_count = 0; ///< After the limit; what one variant and epoch of the task takes.
  std::vector<std::string> scorer_names;
  sampling generation; ///< Resolved for this task: request over task over task type over model.
  /// Where few-shot examples come from, when the run shows some and they have a file of their own.
  std::optional<pinned_file> fewshot;

  bool operator==(const pinned_task&) const = default;
};

/// How the calls of a run are made, as resolved at submission: by the request, else by the model's
/// configuration.
struct call_rules {
  std::optional<milliseconds> timeout;    ///< Of one try; unset leaves it to the configuration.
  std::optional<uint32_t> max_retries;    ///< Of one call, after its first try; unset: configuration.
  std::optional<uint32_t> num_concurrent; ///< Calls of this run that are out at once; unset: no bound.

  bool operator==(const call_rules&) const = default;
};

/// A model that judges answers, as it was at submission.
struct pinned_judge {
  model_id model;
  provider_id provider;
  std::string wire_model;
  std::optional<token_prices> prices;
  call_route route; ///< Empty: `model` alone.
  call_rules calls;

  bool operator==(const pinned_judge&) const = default;
};

/// Everything that decides what a run does, fixed at submission.
struct run_spec {
  run_id id;
  run_kind kind = run_kind::evaluation;
  user_id owner;
  model_id model;
  provider_id provider;
  std::string wire_model;
  std::optional<token_prices> prices;
  call_route route; ///< Empty: `model` alone.
  call_rules calls;
  /// Of the stored model configuration that `model` names; 0 when it is none.
  uint64_t configuration_version = 0;
  std::vector<pinned_task> tasks;
  std::vector<std::string> prompt_types;
  uint16_t epochs = 1;
  std::optional<uint64_t> limit; ///< Samples per task and variant, as asked.
  uint32_t num_fewshot = 0;
  int64_t random_seed = 0; ///< Drawn once when not given; recorded.
  int32_t priority = 0;    ///< Higher first, -100..100.
  uint32_t weight = 1;     ///< Share against other runs of the tenant, 1..1000.
  std::optional<seconds> time_limit;
  cache_use cache = cache_use::off;
  call_way way = call_way::online;
  std::optional<money> max_cost;   ///< The run fails before it could cost more.
  std::string api_key;             ///< Id of the key that it was started with; empty for none.
  std::optional<money> key_budget; ///< Of that key a day, as it was then.
  std::vector<run_id> depends_on;  ///< Runs that must complete before.
  std::string context_mode;
  std::vector<pinned_judge> judges; ///< Of all its tasks' scorers, each once.
  /// The run whose answers this one scores again, instead of asking; empty for a run that asks.
  run_id origin;
  std::optional<early_stopping> stop_when; ///< Unset: all samples are asked.
  bool predict_only = false;
  bool log_samples = true;
  std::string output_path;
  /// JSON array text: the groups whose tasks' values become one, as the catalogue had them; empty for none.
  std::string groups;
  std::string metadata;    ///< JSON object text; the caller's, returned as given.
  std::string requested;   ///< JSON object text: the configuration as asked, returned as given.
  std::string fingerprint; ///< Hash of all that decides the answers; equal for "the same command again".
  wall_time created_at{};
  std::string model_choice = {}; ///< Why this model, where the caller left it to the farm; otherwise empty.

  uint64_t total_samples() const noexcept;
};

/// Tokens over many calls.
struct token_usage_total {
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  uint64_t cached_tokens = 0;
  uint64_t reasoning_tokens = 0;

  token_usage_total& operator+=(const token_usage& one) noexcept;
};

/// What the score of one task is made of.
struct score_parts {
  double sum = 0;     ///< Of what its samples bring into it.
  uint64_t count = 0; ///< Samples that count.
};

/// Counters of a run; every number is about committed samples.
struct run_progress {
  uint64_t total = 0;
  uint64_t done = 0;            ///< Scored or failed.
  uint64_t failed = 0;          ///< Part of done.
  uint64_t possibly_billed = 0; ///< With run_record::lost_calls.
  uint32_t completed_tasks = 0;
  task_id current_task;
  token_usage_total usage;
  std::optional<money> cost;       ///< Nothing while unknown.
  std::optional<money> judge_cost; ///< Part of cost: what judges took. Nothing while there are none.
  uint64_t cached = 0;             ///< Part of done: answered from the response cache.
  double score_sum = 0;            ///< Of primary scores.
  uint64_t scored = 0;
  std::vector<score_parts> task_scores; ///< By task; shorter while the last tasks have none.
  uint64_t in_flight = 0;               ///< Calls on the wire.
  uint64_t in_batches = 0;              ///< Calls in batches that a provider works on.
  uint64_t waiting = 0;                 ///< The other calls that are out: they wait for their turn.
  double samples_per_second = 0;
  std::optional<wall_time> estimated_completion;

  /// @returns the plain mean of the tasks' scores so far: what becomes overall_score; nothing while no sample
  /// counts. Of a record that knows no tasks' scores, the mean of its samples.
  std::optional<double> score() const noexcept;
  /// Counts what a sample of @p task brings into its score.
  void add_score(size_t task, const score_parts& more);

  double fraction() const noexcept {
    return total == 0 ? 0.0 : static_cast<double>(done) / static_cast<double>(total);
  }
};

/// A time between two parts of a run in which it was not under way: a pause, an interruption, the time
/// between an end and a retry.
struct run_rest {
  wall_time from;
  wall_time to;
};

/// The one record of a run.
struct run_record {
  run_spec spec;
  run_state state = run_state::queued;
  uint16_t generation = 0; ///< Raised by retry.
  /// How many of its generations have been under way; unset in records from before it was counted.
  std::optional<uint32_t> started_generations;
  std::optional<wall_time> started_at;
  std::optional<wall_time> finished_at;
  /// How long it has been under way, waits and pauses between its parts left out. Written now and then while
  /// it is; unset in records from before it was counted.
  std::optional<milliseconds> active_for;
  std::optional<wall_time> active_until; ///< Until when active_for counts; unset while that is unset.
  std::vector<run_rest> rests;           ///< In order of time, at most most_rests.
  /// When its texts were removed, or began to be; unset while it has them.
  std::optional<wall_time> redacted_at;
  std::optional<fault> error;
  std::optional<early_stop> stopped_early; ///< How it completed without all its samples.
  run_progress progress;
  uint64_t last_seq = 0; ///< Of its newest event.
  /// How many calls may have been out, or answered without the answer being durable, at one time since the
  /// run came to rest; 0 while it rests. A run that has another number at a start was ended without order.
  uint32_t open_calls_at_most = 0;
  /// Of them, how many may have been on the wire, or answered without the answer being durable: what the
  /// providers' windows let out. 0 where no provider has said; then all of them may.
  uint32_t sent_calls_at_most = 0;
  /// Calls that may have been paid for and of which no sample tells: those that the windows let onto the wire
  /// when the run was ended without order, and those given up on their way. Part of possibly_billed.
  uint64_t lost_calls = 0;
  /// Calls besides lost_calls that were out when the run was ended without order. They waited for their turn,
  /// as far as it is known; counted where nothing may be missed, as by budgets.
  uint64_t maybe_lost_calls = 0;
  /// Why no call goes out at the moment: the provider does not answer, or asks to wait. Empty while they go
  /// out.
  std::string waiting_for;
  /// Paused by the farm, so that a run of higher priority has its place; the farm goes on with it.
  bool yielded = false;
};

/// @returns a number that the calls of @p run which may have been billed without an answer cannot exceed.
uint64_t possibly_billed_at_most(const run_record& run) noexcept;

/// How many rests a record keeps; of more, the shortest is forgotten.
inline constexpr size_t most_rests = 64;

/// @returns how many generations of @p run have been under way: of a record that does not count it, all of a
/// run that has started.
uint32_t started_generations_of(const run_record& run) noexcept;

/// Says that @p run is under way again from @p now on: what lies between its active_until and now was a rest.
void note_rest_is_over(run_record& run, wall_time now);

/// @returns how much of the time from @p first to @p last @p run was under way, as execution_time_of has it.
milliseconds active_time_between(const run_record& run, wall_time first, wall_time last) noexcept;

void to_json(nlohmann::json& out, const run_rest& rest);
void from_json(const nlohmann::json& in, run_rest& out);

/// Says that no call of @p run is out any more.
void note_rest(run_record& run) noexcept;

/// Books the calls that were out when @p run was ended without order as lost, as many as there may have been,
/// and no more than it has samples left.
void book_lost_calls(run_record& run) noexcept;

/// Storage form: complete, readable again by from_json of the same or a later version. Absent fields keep
/// their defaults. from_json throws nlohmann::json::exception on wrong types and on states that this version
/// does not know.
void to_json(nlohmann::json& out, const run_spec& spec);
void from_json(const nlohmann::json& in, run_spec& out);
void to_json(nlohmann::json& out, const run_record& run);
void from_json(const nlohmann::json& in, run_record& out);

/// @returns how long a run that has finished was under way, over all its parts; nothing before its end. Of a
/// record that does not count it, the time from its start to its end.
std::optional<milliseconds> execution_time_of(const run_record& run) noexcept;

/// @returns when what @p run says of itself became true: the end of a run that has ended, else @p now.
/// Whoever tells of it names that moment.
wall_time moment_of(const run_record& run, wall_time now) noexcept;

/// The storage form as one text. run_from_text throws nlohmann::json::exception on a text that is none.
std::string run_to_text(const run_record& run);
run_record run_from_text(std::string_view text);

/// API form of GET /evaluations/{id} (superset of the documented keys). Unknown values are null, money is in
/// dollars, execution_time is in seconds once the run has finished.
nlohmann::json run_status_json(const run_record& run);

} // namespace assay
