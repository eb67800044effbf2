#pragma once

#include "core/values/cache_use.hpp"
#include "core/values/early_stopping.hpp"
#include "core/values/errors.hpp"
#include "core/values/execution.hpp"
#include "core/values/ids.hpp"
#include "core/values/model.hpp"
#include "core/values/money.hpp"
#include "core/values/run.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace assay {

/// A task that a request brings along, in no catalogue.
struct own_task {
  std::string definition; ///< A task's YAML text.
  std::string dataset;    ///< Absolute; in place of the one that the definition names.

  bool operator==(const own_task&) const = default;
};

/// What a caller asks for, before names are resolved: the body of POST /evaluations, and what `assay run`
/// makes of its flags.
struct run_request {
  model_id model;             ///< A configured or catalogued model; empty when model_kind is used.
  std::string model_kind;     ///< `openai-chat-completions`, `claude-local`, ... together with model_args.
  std::string model_args;     ///< `model=NAME,base_url=...`
  std::vector<task_id> tasks; ///< Tasks or groups of tasks.
  std::vector<std::string> prompt_types; ///< Empty means each task's first.
  sampling generation;                   ///< From configuration, gen_kwargs or top-level parameters.
  std::optional<uint64_t> limit;
  uint32_t num_fewshot = 0;
  std::optional<uint16_t> epochs; ///< Unset: as the tasks say, else 1.
  std::optional<int64_t> random_seed;
  int32_t priority = 0;
  uint32_t weight = 1;
  std::optional<seconds> time_limit;
  cache_use cache = cache_use::off;
  execution_wish execution = execution_wish::online;
  std::optional<money> max_cost; ///< Of the whole run.
  std::vector<run_id> depends_on;
  std::string context_mode;
  bool predict_only = false;
  bool log_samples = true;
  std::string output_path;
  std::string metadata;  ///< JSON object text, kept and returned.
  std::string requested; ///< JSON object text of the configuration as asked.
  bool dry_run = false;
  /// The run whose answers are scored again, instead of asking a model. Everything that decides how it was
  /// asked is that run's; of the other members only max_cost, metadata and output_path count.
  run_id origin;
  std::optional<early_stopping> stop_when; ///< Unset: all samples are asked.
  run_kind kind = run_kind::evaluation;
  std::optional<own_task> own;    ///< In place of `tasks`.
  call_rules calls;               ///< What is set goes before what the model says.
  std::vector<std::string> notes; ///< Accepted parameters that change nothing here, each with the reason.
  std::string model_choice = {};  ///< Why `model`, where the farm has chosen it for the caller.
};

/// Reads the engine API's body in both name sets (model_id or model and model_args, task_ids or tasks,
/// configuration or top-level parameters, max_tokens or gen_kwargs.max_gen_toks). Contradictions, unknown
/// keys, wrong types and ranges are faults whose `where` names the field, or both fields.
result<run_request> run_request_from_json(const nlohmann::json& body);

} // namespace assay
