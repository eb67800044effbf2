#pragma once

#include "core/scoring/scorer.hpp"
#include "core/stats/aggregate.hpp"
#include "core/tasks/dataset.hpp"
#include "core/tasks/templates.hpp"
#include "core/values/errors.hpp"
#include "core/values/model.hpp"
#include "core/values/task.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::tasks {

namespace lm_eval {
struct task_config;
}
namespace promptfoo {
struct test_file;
}

/// One way to ask the task's questions.
struct prompt_variant {
  std::string name;
  std::optional<text_template> system;
  text_template user; ///< The first user message.
  /// What the user says after each answer of the model, in order; the answer to the last is scored.
  std::vector<text_template> later_turns;
  /// The column that holds the whole conversation, in place of system and user; empty for none.
  std::string messages;
};

/// Where few-shot examples come from.
struct fewshot_source {
  std::string dataset; ///< Absolute; the task's own dataset when the task names none.
  std::optional<dataset_format> format;
  text_template answer; ///< What the assistant says in an example; the task's target when not given.
};

/// A task as its YAML file describes it. Immutable after parsing; shared by the runs that use it.
struct task_definition {
  task_id id;
  std::string name;
  std::string category;   ///< `single_turn` when not given.
  std::string difficulty; ///< beginner, intermediate (when not given) or advanced.
  std::string description;
  std::vector<std::string> languages;
  std::vector<std::string> tags;
  std::string task_type;                ///< Selects a model's task_optimizations; may be empty.
  uint32_t estimated_duration = 60;     ///< Seconds.
  std::string dataset;                  ///< Absolute.
  std::optional<dataset_format> format; ///< Nothing: by the extension.
  std::vector<prompt_variant> prompts;  ///< At least one; `prompt:` is one called `baseline`.
  text_template target;
  /// What a right answer says, when the target is something else, such as tests.
  std::optional<text_template> reference;
  std::optional<text_template> wrong; ///< A JSON array of believable wrong answers.
  std::optional<uint16_t> epochs;     ///< How often each sample is asked when the run does not say.
  std::string epochs_reducer; ///< How repeats become one value: mean, majority, pass_at_1, ...; or empty.
  std::vector<scoring::scorer_definition> scorer_definitions;  ///< At least one, names unique.
  std::vector<std::shared_ptr<const scoring::scorer>> scorers; ///< Compiled, in the same order.
  sampling generation;
  fewshot_source fewshot;
  std::string
      functions; ///< Absolute; the folder where scorers' Python functions lie, beside the task's file.
  std::map<std::string, std::string> contexts; ///< Text for the system message by context mode.
  stats::failed_samples failed_samples = stats::failed_samples::exclude;
  std::string file;   ///< As given to parse_task().
  std::string source; ///< The YAML text.
  /// JSON object text: what the task was in the format that it comes from; empty for assay's own.
  std::string origin;
  /// Of another format. Its prompts are made when a run of it is submitted: see preparation.hpp.
  std::shared_ptr<const lm_eval::task_config> lm_eval;
  std::shared_ptr<const promptfoo::test_file> promptfoo; ///< The same, of that format.

  /// @returns whether the task has no prompts yet.
  bool is_unprepared() const noexcept { return lm_eval != nullptr || promptfoo != nullptr; }

  /// Whether a run asks all of its prompts when it names none, instead of the first: promptfoo's way.
  bool asks_all_prompts() const noexcept;

  const prompt_variant* find_prompt(std::string_view prompt_type) const noexcept;
  std::vector<std::string> prompt_types() const;
  std::vector<std::string> scorer_names() const;
  /// What the aggregation needs, in the order of the scorers.
  std::vector<stats::scorer_weight> scorer_weights() const;
};

/// The modes that `contexts` may have texts for and a run may ask for.
/// @returns whether @p word is no_context, minimal_context, full_context or domain_context.
bool is_context_mode(std::string_view word) noexcept;

/// Reads one task. @param file_name For messages. @param base_dir What relative paths are relative to.
/// Fails with errc::malformed_input (no YAML), errc::too_large (over 1 MiB) or errc::invalid_argument:
/// unknown or repeated keys, wrong types, values out of range, broken templates and patterns. `where` is
/// `file:line: key`. The dataset itself is not touched.
result<task_definition> parse_task(std::string_view yaml, std::string_view file_name,
                                   const std::filesystem::path& base_dir);

/// @returns everything that is wrong with a task that parse_task() refuses, the one that it names first; what
/// follows from another mistake may be missing.
std::vector<fault> find_mistakes(std::string_view yaml, std::string_view file_name,
                                 const std::filesystem::path& base_dir);

/// @returns YAML text that parse_task() reads into an equal task from any folder: the task's own with its
/// dataset paths made absolute. This is what a run pins.
std::string pinned_text(const task_definition& task);

/// @param sample_count 0 when not counted.
task_summary to_summary(const task_definition& task, uint64_t sample_count = 0);

} // namespace assay::tasks
