#pragma once

#include "core/experiments/plan.hpp"
#include "core/values/ids.hpp"
#include "core/values/run.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::experiments {

enum class experiment_state : uint8_t {
  running = 1,
  paused = 2,     ///< Starts no child; its children are paused.
  cancelling = 3, ///< Some children have not ended yet.
  completed = 4,  ///< Every child has ended, and at least one completed.
  failed = 5,     ///< No child completed.
  cancelled = 6,
};

enum class child_state : uint8_t {
  waiting = 1,  ///< For a free place, for children that it depends on, or for another try.
  starting = 2, ///< Its share of the budget is set aside; whether its run exists is not known yet.
  running = 3,  ///< Its run is not final.
  completed = 4,
  failed = 5,
  cancelled = 6,
  skipped = 7, ///< Never started: what it depends on did not complete, or the budget is spent.
};

std::string_view to_string(experiment_state state) noexcept;
std::string_view to_string(child_state state) noexcept;

constexpr bool is_final(experiment_state state) noexcept {
  return state == experiment_state::completed || state == experiment_state::failed
         || state == experiment_state::cancelled;
}
constexpr bool is_final(child_state state) noexcept { return state >= child_state::completed; }
constexpr bool is_active(child_state state) noexcept {
  return state == child_state::starting || state == child_state::running;
}

/// One child as it is kept.
struct experiment_child {
  child_state state = child_state::waiting;
  run_id run;                   ///< Empty until it is known.
  uint64_t samples = 0;         ///< As its dry run said; then as its run has them.
  std::optional<money> price;   ///< The estimate before the start.
  std::optional<money> granted; ///< What its run may cost in all; nothing without a budget.
  std::optional<money> cost;    ///< Of its run, at its end.
  uint64_t possibly_billed = 0; ///< Calls of it that may have been paid for without being in `cost`.
  uint64_t done = 0;
  uint64_t failed_samples = 0;
  std::optional<double> score;
  std::optional<milliseconds> execution_time;
  uint32_t tries = 0;                  ///< Retries by the plan's own rule.
  uint32_t top_ups = 0;                ///< Retries because money came back.
  bool held = false;                   ///< Paused because the experiment is.
  std::optional<wall_time> not_before; ///< Of its next try.
  std::string error;                   ///< Why it failed or was skipped.
  errc error_code = errc::internal;    ///< With error.
};

/// An experiment as it is kept, without its children.
struct experiment_head {
  std::string id;
  user_id owner;
  std::string api_key; ///< Id of the key that the owner came with; empty for none.
  std::optional<money> key_budget;
  std::string plan;     ///< JSON text, with the seed that was drawn.
  uint64_t version = 1; ///< Rises with every verb.
  uint64_t changes = 1; ///< Rises with every write: numbers what subscribers are sent.
  experiment_state state = experiment_state::running;
  wall_time created_at{};
  std::optional<wall_time> ended_at;
  uint64_t children = 0;
  uint64_t ended_children = 0;
  uint64_t failed_children = 0; ///< Failed or skipped; part of ended_children.
  uint64_t samples = 0;
  std::optional<money> estimated_cost; ///< Nothing when some price is unknown.
  std::vector<std::string> notes;
};

/// An experiment with all that is known of it.
struct experiment {
  experiment_head head;
  evaluation_plan plan;
  std::vector<child_request> requests; ///< By child.
  std::vector<experiment_child> children;
};

/// What a dry run of pricing_request said.
struct priced {
  size_t model = 0;
  size_t group = 0;
  size_t configuration = 0;
  uint64_t samples = 0; ///< Of all the plan's prompt types together, as the cost.
  std::optional<money> cost;
  std::vector<std::string> notes;
};

/// A plan with what it takes.
struct priced_plan {
  evaluation_plan plan;
  std::vector<child_request> requests;
  std::vector<experiment_child> children;
  uint64_t samples = 0;
  std::optional<money> estimated_cost;
  std::vector<std::string> notes;
};

/// Spreads what the dry runs said over the children. @returns invalid_argument when samples or estimated cost
/// exceed @p limits, or when a plan with max_cost has a model whose price is unknown.
result<priced_plan> price(evaluation_plan plan, std::vector<child_request> requests,
                          const std::vector<priced>& told, const plan_limits& limits);

/// {experiment_name, total_children, total_samples, estimated_cost, children: [...]}: what a dry run shows.
nlohmann::json to_json(const priced_plan& plan);

// -- what comes next ---------------------------------------------------------------------------------------

/// Children that may start now, at most as many as the plan's max_parallel leaves room for: those of groups
/// with the higher priority first. None unless the experiment is running.
std::vector<size_t> startable(const experiment& of, wall_time now);

/// What can still be given away of the plan's max_cost: without what active children may cost and what ended
/// ones did. A child with calls that may have been billed unseen counts with all that it was given.
std::optional<money> remaining_budget(const experiment& of);

/// The share of the remaining budget that @p child gets, by its price among those that have not started.
/// @returns nothing without a budget.
std::optional<money> grant_for(const experiment& of, size_t child);

/// Takes up how the run of @p child is. @returns whether anything durable changed.
bool take_run(experiment& of, size_t child, const run_record& run, wall_time now);

/// The run of @p child cannot be made, or is gone.
void take_failure(experiment& of, size_t child, const fault& reason, wall_time now);

/// Skips children that can never start. @returns which.
std::vector<size_t> skip_hopeless(experiment& of, wall_time now);

/// When nothing else is left to do: children that failed for lack of money, now that some came back, wait for
/// another try with more. @returns which.
std::vector<size_t> top_up(experiment& of);

/// Ends the experiment when every child has ended. @returns whether it did.
bool end_if_over(experiment& of, wall_time now);

/// pause, resume, cancel and retry. Idempotent. @returns whether anything changed, or
/// errc::invalid_transition. Cancel ends the children that have not started; retry lets failed and skipped
/// ones wait again.
result<bool> apply(experiment& of, run_verb verb);

/// The counts of the head, by the children.
void count(experiment& of) noexcept;

// -- stored and shown --------------------------------------------------------------------------------------

std::string to_stored(const experiment_head& head);
std::string to_stored(const experiment_child& child);
/// @returns errc::store_unreadable for another text.
result<experiment_head> head_from_stored(std::string_view text);
result<experiment_child> child_from_stored(std::string_view text);
/// @param children In order.
result<experiment> from_stored(std::string_view head, const std::vector<std::string>& children);

/// Begins the keys of an experiment's children.
std::string children_prefix(const experiment_head& head);
/// In order of @p number.
std::string child_key(const experiment_head& head, uint64_t number);

/// Without its children.
nlohmann::json to_json(const experiment_head& head);
/// With progress as a tree: models, their groups, their children.
nlohmann::json to_json(const experiment& of);

/// Names a new experiment: `exp_<10 digits>_<8 hex digits>`.
std::string experiment_id(wall_time now, uint32_t random);

} // namespace assay::experiments
