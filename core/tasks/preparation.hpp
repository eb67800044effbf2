#pragma once

#include "core/tasks/dataset.hpp"
#include "core/tasks/task_definition.hpp"
#include "core/values/errors.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace assay::tasks {

/// What decides a task's prompts beside the task.
struct preparation_options {
  std::string folder;                    ///< Where prepared tasks are kept; made when it is missing.
  std::optional<uint32_t> num_fewshot{}; ///< Nothing: as the task says.
  std::optional<int64_t> seed{};   ///< Draws the few-shot examples; nothing: 1234, as lm-evaluation-harness.
  std::optional<uint64_t> limit{}; ///< Samples at most.
};

/// A task of another format that is to be, or has been, turned into one of assay's own: a file of rows with
/// whole conversations and a task file beside it, named by a hash of all that decides them.
struct preparation {
  std::shared_ptr<const task_definition> task;
  preparation_options options;
  std::string key;             ///< SHA-256, hexadecimal.
  std::string rows_path;       ///< folder/key.jsonl
  std::string definition_path; ///< folder/key.yaml; written last.
  bool needs_python = false;   ///< Else the steps below never ask for a job.

  /// @returns whether both files are there.
  bool is_done() const;
};

/// Hashes the task's files. Reads the datasets whole. Fails with errc::dataset_unreadable and
/// errc::unsupported.
result<preparation> plan_preparation(std::shared_ptr<const task_definition> task,
                                     const preparation_options& options);

/// @returns the prepared task. Fails as parse_task() does, and with errc::not_found when it is not done.
result<task_definition> load_prepared(const preparation& done);

/// @returns whether @p dataset is a file that a preparation has made; its name then stands for its content.
bool is_prepared_dataset(std::string_view dataset, std::string_view folder);

/// What identifies the rows of a task, also of one that is not prepared; see inspect_dataset().
result<dataset_facts> inspect_data(const task_definition& task);

/// @returns the folder that the task's Python may read; empty when it has none.
std::string python_folder(const task_definition& task);

/// Work for the Python host: the operation, and its arguments as a JSON object.
struct preparation_request {
  std::string operation;
  std::string arguments;
};

/// Makes a prepared task step by step, with the Python host's help. Every member function reads or writes
/// files and is for a worker's thread; one at a time.
class preparation_steps {
public:
  virtual ~preparation_steps() = default;

  /// @returns what is to be asked next; nothing when everything is written and in its place. Call again after
  /// each take().
  virtual result<std::optional<preparation_request>> next() = 0;

  /// @param value The answer to the last request, a JSON object. Fails with errc::malformed_answer.
  virtual result<void> take(std::string_view value) = 0;
};

/// Fails with errc::store_failed when the folder cannot be written.
result<std::unique_ptr<preparation_steps>> begin_preparation(const preparation& what);

} // namespace assay::tasks
