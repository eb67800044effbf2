#pragma once

#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "core/tasks/task_catalogue.hpp"
#include "core/values/run_request.hpp"
#include "protocol/messages/runs.hpp"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::cli {

/// What the flags of `assay run` leave to the evaluation that they name; see with_evaluation().
struct left_to_evaluation {
  bool models = false;
  bool tasks = false;
  std::string configuration; ///< JSON object text: the parameters that no flag says; may be empty.
};

/// The flags of `assay run`, as written.
struct run_flags {
  std::string evaluation; ///< One of the configuration's, by name; may be empty.
  left_to_evaluation left;
  std::vector<std::string> models; ///< Names, or lists of names.
  std::string model_args;
  std::vector<std::string> tasks; ///< Ids, groups, paths, or lists of them.
  std::vector<std::string> include_paths;
  std::vector<std::string> promptfoo; ///< Test files, beside the tasks.
  std::vector<std::string> prompt_types;
  std::string limit;
  std::optional<uint32_t> num_fewshot;
  std::vector<std::string> gen_kwargs;
  std::string seed; ///< One number, or up to four: random, numpy, torch, few-shot.
  std::optional<uint32_t> epochs;
  std::optional<int32_t> priority;
  std::optional<uint32_t> weight;
  std::string time_limit;
  std::string use_cache;      ///< Empty: not given.
  std::string batch;          ///< auto, always or never; empty: not given.
  std::string cache_requests; ///< true, refresh or delete; empty: not given.
  std::optional<double> max_cost;
  std::string stop_when; ///< interval=0.02 or against=RUN,alpha=0.05,...; empty: not given.
  std::string metadata;
  std::string context_mode;
  std::string batch_size;
  std::string device;
  std::string output_path;
  std::string output = "table";
  std::optional<bool> log_samples;
  bool predict_only = false;
  bool write_out = false;
  bool show_config = false;
  bool dry_run = false;
  bool fresh = false;
  bool strict = false;
};

/// One model's evaluation, checked and priced, not submitted.
struct planned_run {
  run_request request;
  run_submitted admitted;
  bool simulated = false;
  std::string base_url; ///< Of its provider.
};

/// Everything that `assay run` decides before anything is sent.
struct run_plan {
  run_flags flags; ///< Filled from the named evaluation.
  std::shared_ptr<const config::settings> settings;
  std::shared_ptr<const tasks::task_catalogue> tasks;
  std::vector<planned_run> runs;
};

/// @returns whether a name of a task means a file or folder: it has a slash or ends as task files do.
bool is_task_path(const std::string& name);

/// The body of POST /evaluations that says the same as the flags, for one model.
/// @param tasks Ids and groups.
/// @param out An object. @returns what is wrong with the flags.
std::optional<fault> request_body(const run_flags& flags, const std::string& model,
                                  const std::vector<std::string>& tasks, nlohmann::json& out);

/// Loads configuration and tasks, and turns the flags into runs: one for each model.
/// A dry run only warns of a missing key. Faults name flags, or lines of the named evaluation.
result<run_plan> plan_runs(const command_context& context, const run_flags& flags);

/// One of several evaluations that a command asks for.
struct run_part {
  std::string model;
  std::vector<std::string> tasks;        ///< Ids and groups.
  std::vector<std::string> prompt_types; ///< Empty: the tasks' own.
  std::optional<uint32_t> workers;       ///< Calls of it that are out at once; unset leaves it to the model.
};

/// Chooses the parts once configuration and tasks are known; may change the settings that the farm gets.
using part_chooser = std::function<result<std::vector<run_part>>(config::settings& settings,
                                                                 const tasks::task_catalogue& tasks)>;

/// As plan_runs(), with the evaluations that @p choose names in place of one for each of the flags' models.
result<run_plan> plan_parts(const command_context& context, const run_flags& flags,
                            const part_chooser& choose);

} // namespace assay::cli
