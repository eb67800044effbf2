#pragma once

#include "cli/run_plan.hpp"
#include "core/experiments/batch.hpp"

#include <optional>
#include <string>
#include <vector>

namespace assay::cli {

/// How the evaluations of a batch are run, beside what they ask.
struct batch_ways {
  std::optional<uint32_t> workers; ///< Calls of one evaluation at once.
  std::optional<uint32_t> qps;     ///< Calls a second of one key.
};

/// What the choice of a batch's parts has found out, for people.
struct batch_strategy {
  std::string model;
  std::string provider;
  experiments::prompt_strategy prompts;
  size_t evaluations = 0;
};

struct batch_choice {
  std::vector<run_part> parts;
  std::vector<batch_strategy> strategies; ///< By model.
  std::vector<std::string> notes;         ///< Each once.
};

/// @returns what a batch calls all models: those of the configuration that have a key, else the simulated
/// ones.
std::vector<std::string> all_models(const config::settings& settings);

/// @returns the tasks that the words mean: all, a task type, a category, a group or a task.
/// errc::not_found for a word that means nothing.
result<std::vector<experiments::batch_task>> tasks_of_types(const tasks::task_catalogue& catalogue,
                                                            const std::vector<std::string>& words);

/// @returns what the configuration says of how much the provider of @p model does at once.
result<experiments::provider_shape> shape_of(const config::settings& settings, const std::string& model);

/// Turns a wish that is filled in into evaluations, and fits @p settings to them: as many may run at once as
/// the wish wants, and `qps` bounds their providers.
result<batch_choice> choose_parts(const experiments::batch_wish& wish, const batch_ways& ways,
                                  config::settings& settings, const tasks::task_catalogue& catalogue);

} // namespace assay::cli
