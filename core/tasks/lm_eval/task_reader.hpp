#pragma once

#include "core/tasks/lm_eval/includes.hpp"
#include "core/tasks/lm_eval/task_config.hpp"

#include <optional>
#include <vector>

// For the files of this folder only.
namespace assay::tasks::lm_eval {

/// Turns one mapping with its includes into a task. @returns nothing when it has mistakes, which are added to
/// @p faults.
std::optional<task_config> read_task(const raw_config& raw, const read_options& options,
                                     std::vector<fault>& faults);

} // namespace assay::tasks::lm_eval
