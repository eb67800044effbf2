#pragma once

#include "core/tasks/data_places.hpp"
#include "core/values/errors.hpp"
#include "core/values/model.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::tasks::lm_eval {

/// What a task wants of the model.
enum class output_type : uint8_t {
  generate_until = 1,  ///< Text.
  multiple_choice = 2, ///< One of several texts; asked by letters, since chat gives no likelihoods.
};

/// A file of rows, or several of which one comes after the other.
struct data_source {
  std::vector<std::string> files; ///< Absolute, in order; empty when the task has no such split.

  bool operator==(const data_source&) const = default;
};

/// One task of lm-evaluation-harness, with everything that it includes.
struct task_config {
  std::string name;
  std::string alias; ///< Shown instead of the name; may be empty.
  std::vector<std::string> tags;
  output_type output = output_type::generate_until;
  /// The whole configuration as a JSON object, defaults filled in; a Python function stands in it as
  /// `{"!function": "module.name"}`.
  std::string json;
  std::string folder;             ///< Absolute; where the functions' modules lie.
  std::vector<std::string> files; ///< The task's file and all that it includes.
  std::vector<std::string> functions;
  data_source rows;     ///< What is asked: the test split, else the validation split.
  data_source examples; ///< What few-shot examples are drawn from; empty when the task lists them itself.
  uint32_t num_fewshot = 0;
  uint32_t repeats = 1;
  sampling generation;
  bool unsafe_code = false; ///< What its scorers run was written by the model.
  /// The task's scorers in assay's own YAML: a list, at least one.
  std::string scorers;
  std::vector<std::string> notes; ///< What of the task is left out, for people.
};

/// How one metric of a group's tasks becomes one value.
struct group_metric {
  std::string metric;
  std::vector<std::string> filters; ///< At least one.
  bool weight_by_size = true;
};

/// Tasks and groups under one name.
struct group_config {
  std::string name;
  std::string alias;
  std::vector<std::string> members; ///< Names of tasks, groups or tags.
  std::vector<group_metric> aggregates;
};

/// What one file holds. A broken task hides no other.
struct loaded_file {
  std::vector<task_config> tasks;
  std::vector<group_config> groups;
  std::vector<fault> faults; ///< Every mistake; `where` is `file:line: key`.
};

struct read_options {
  /// Where included files, functions' modules and data files must lie, symbolic links followed; empty:
  /// anywhere.
  std::filesystem::path root;
  data_places places; ///< Where data files may lie besides.
};

/// @returns whether @p yaml looks like a task, a group or a template of lm-evaluation-harness and not like
/// one of assay's own.
bool is_lm_eval(const std::string& yaml);

/// Reads a file that is_lm_eval(). A template, which names no task, gives nothing at all.
loaded_file read_file(const std::filesystem::path& file, const read_options& options);

} // namespace assay::tasks::lm_eval
