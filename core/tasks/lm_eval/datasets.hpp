#pragma once

#include "core/tasks/lm_eval/includes.hpp"
#include "core/tasks/lm_eval/task_config.hpp"

#include <functional>
#include <string>

// For the files of this folder only.
namespace assay::tasks::lm_eval {

/// Called with a mistake: its entry, the path below it, what is wrong, and a hint.
using complaint =
    std::function<void(const config_entry&, const std::string& path, std::string message, std::string hint)>;

/// Fills rows and examples of @p task: where the files of its splits are.
void find_datasets(const raw_config& config, const read_options& options, task_config& task,
                   const complaint& complain);

} // namespace assay::tasks::lm_eval
