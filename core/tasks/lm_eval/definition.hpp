#pragma once

#include "core/tasks/lm_eval/task_config.hpp"
#include "core/tasks/task_definition.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace assay::tasks::lm_eval {

/// @returns the task in assay's own YAML.
/// @param dataset The prepared rows. @param many Some samples have several right answers.
/// @param num_fewshot Examples that its prompts show.
std::string own_yaml(const task_config& task, const std::string& dataset, bool many, uint32_t num_fewshot);

/// @returns the task as the catalogue has it: without prompts, until it is prepared. Fails when one of its
/// scorers cannot be made; `where` is the task's file.
result<task_definition> to_definition(task_config task);

} // namespace assay::tasks::lm_eval
