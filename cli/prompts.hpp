#pragma once

#include "cli/output.hpp"
#include "core/tasks/sample_source.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>

namespace assay::cli {

/// The first sample of each of the task's prompt types: {type: {messages, target}}.
/// @param options Its prompt type and limit are ignored, unless a prompt type is given: then only that one.
nlohmann::json first_prompts(const std::shared_ptr<const tasks::task_definition>& task,
                             const tasks::sample_options& options);

/// The same for people.
std::string render_first_prompts(const terminal& where,
                                 const std::shared_ptr<const tasks::task_definition>& task,
                                 const tasks::sample_options& options);

} // namespace assay::cli
