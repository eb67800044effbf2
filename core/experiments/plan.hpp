#pragma once

#include "core/values/errors.hpp"
#include "core/values/money.hpp"
#include "core/values/run_request.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::experiments {

/// One model of a plan.
struct plan_model {
  std::string name;  ///< In keys and reports; unique in the plan.
  std::string model; ///< A configured or catalogued model, or with model_args a provider's protocol.
  std::string model_args;

  bool operator==(const plan_model&) const = default;
};

/// Tasks that one child run answers together.
struct plan_group {
  std::string name;
  std::vector<std::string> tasks;
  /// Groups whose children of the same model, configuration, prompt type and repeat must complete before.
  std::vector<std::string> depends_on;
  int32_t priority = 0; ///< Added to the plan's; higher first.

  bool operator==(const plan_group&) const = default;
};

/// Settings that are compared with each other.
struct plan_configuration {
  std::string name;
  std::string settings = "{}"; ///< JSON object text: what may stand in a request's `configuration`.

  bool operator==(const plan_configuration&) const = default;
};

/// Starts a failed child again, by itself. Not the retries of one call.
struct child_retry {
  uint32_t attempts = 0; ///< After the first; 0 never.
  seconds delay{10};     ///< Before the first of them; doubled for each further one.

  bool operator==(const child_retry&) const = default;
};

/// models x task groups x configurations x prompt types x repeats.
struct evaluation_plan {
  std::string name;
  std::string description;
  std::vector<plan_model> models;
  std::vector<plan_group> groups;
  std::vector<plan_configuration> configurations; ///< Never empty: `default` when none is named.
  std::vector<std::string> prompt_types;          ///< Empty: each task's first, and no dimension of its own.
  uint32_t repeats = 1;
  std::string settings = "{}";    ///< JSON object text: of all children; a configuration's own go before.
  uint32_t max_parallel = 4;      ///< Children under way at once.
  std::optional<money> max_cost;  ///< Of all children together, never exceeded.
  std::optional<seconds> timeout; ///< Of one child.
  int32_t priority = 0;           ///< -100..100
  uint32_t weight = 1;            ///< Share of every child against other runs of the tenant, 1..1000.
  child_retry retry;
  std::vector<std::string> notes; ///< Members that were accepted and change nothing, with the reason.

  bool operator==(const evaluation_plan&) const = default;
};

/// What no plan may exceed.
struct plan_limits {
  uint64_t most_children = 5'000;
  uint64_t most_samples = 1'000'000; ///< Over all children.
  std::optional<money> most_cost;    ///< By the estimate before the start.
};

/// One child run of a plan.
struct child_request {
  /// <model>_<group>_<configuration>, then _<prompt type> and _r<repeat> where the plan has such a dimension.
  /// Unique in the plan.
  std::string key;
  size_t model = 0; ///< Index in the plan, as the next three.
  size_t group = 0;
  size_t configuration = 0;
  std::optional<size_t> prompt; ///< Nothing when the plan names no prompt types.
  uint32_t repeat = 0;          ///< From 0.
  std::string body;             ///< JSON text of POST /evaluations that asks for it.
  run_request request;          ///< The same, read.
  std::vector<size_t> after;    ///< Indices of children that must complete before.
};

/// Asked as a dry run, it tells what all children of one model, group and configuration take.
struct pricing_request {
  size_t model = 0;
  size_t group = 0;
  size_t configuration = 0;
  run_request request; ///< All prompt types of the plan at once; dry_run is set.
};

/// Reads a plan as callers write it: `evaluation_plan` itself or an object that holds one, and an entry of
/// `evaluations` in evaluation_configs.yaml (models, tasks, configuration). @param name Used when the object
/// has no experiment_name. @returns the first mistake, its field in `where` (`task_groups[1].depends_on`):
/// members nobody knows, names used twice, configurations that differ in nothing, dependencies in a cycle.
result<evaluation_plan> plan_from_json(const nlohmann::json& from, std::string_view name = {});

/// Reads back by plan_from_json() as the same plan, but for its notes.
nlohmann::json to_json(const evaluation_plan& plan);

/// How many children expand() makes.
uint64_t count_children(const evaluation_plan& plan) noexcept;

/// Every child, by model, group, configuration, prompt type and repeat. Asks nobody: whether models and tasks
/// exist is found by the dry runs. @returns the first mistake, its field in `where`, also for more than
/// @p limits.most_children.
result<std::vector<child_request>> expand(const evaluation_plan& plan, const plan_limits& limits = {});

/// One for every model, group and configuration, in that order.
result<std::vector<pricing_request>> pricing_requests(const evaluation_plan& plan);

/// Where a plan says what the field @p where of a child's request says: `tasks` is `task_groups[1].tasks`.
std::string place_in_plan(const evaluation_plan& plan, size_t model, size_t group, size_t configuration,
                          std::string_view where);

} // namespace assay::experiments
