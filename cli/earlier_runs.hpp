#pragma once

#include "config/settings.hpp"
#include "core/values/run.hpp"

#include <optional>
#include <string>
#include <vector>

/// What the data folder has of a command that is given again.
namespace assay::cli {

/// Who owns the runs of the command line.
user_id command_line_user();

/// A run as a command wishes it.
struct wished_run {
  run_spec spec; ///< As admitted.
  bool seed_given = false;
};

/// The runs of a data folder that a command may have begun before.
struct earlier_runs {
  std::vector<run_record> unfinished; ///< Oldest first.
  std::vector<run_record> completed;  ///< Newest first.
};

/// What earlier runs mean for the runs of a command, each by the command's order.
struct earlier_match {
  /// The unfinished run that asks the same and goes on; the newest of several.
  std::vector<std::optional<run_record>> goes_on;
  /// The completed run that stands for this one: it asked the same and ended after one that goes on now was
  /// submitted, so both belong to the command that was interrupted. Nothing where none goes on.
  std::vector<std::optional<run_record>> taken;
};

/// @returns the unfinished and completed runs of the folder; none when nothing has been stored there yet.
/// Completed ones are only read where some, but not all of @p wished are unfinished.
result<earlier_runs> read_earlier_runs(const config::settings& settings,
                                       const std::vector<wished_run>& wished);

earlier_match match_earlier(const earlier_runs& earlier, const std::vector<wished_run>& wished);

/// @returns whether the run asks what @p wished asks, of the same files.
bool asks_same(const run_record& run, const wished_run& wished);

/// @returns whether the same command began the run, and files that it pinned have changed since.
bool asks_same_of_other_files(const run_record& run, const wished_run& wished);

/// What differs between the files of a run and those of a wish that asks the same of other files.
struct file_change {
  std::string what; ///< "the dataset of task 'sums' has 4 rows now and had 3"
  std::string path; ///< Of the file; empty for a task's definition.
};

/// @returns the first dataset or file of few-shot examples that differs; a task's definition when only that
/// does.
file_change describe_change(const run_record& run, const wished_run& wished);

} // namespace assay::cli
