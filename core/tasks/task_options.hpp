#pragma once

#include "core/scoring/scorer_definition.hpp"
#include "core/tasks/task_definition.hpp"
#include "core/tasks/yaml_fields.hpp"
#include "core/values/model.hpp"

#include <vector>

// The larger sections of a task file, for task_definition.cpp; nobody else includes this.
namespace assay::tasks {

/// Reads `scorer:` (a type's name or a mapping) or `scorers:` (a list of them) and checks each.
std::vector<scoring::scorer_definition> read_scorers(const yaml_fields& task);

/// Reads `generation:`.
sampling read_generation(const yaml_fields& task);

/// Compiles the template at @p key of @p fields.
text_template read_template(const yaml_fields& fields, std::string_view key);

/// Reads `prompts:` or `prompt:`.
std::vector<prompt_variant> read_prompts(const yaml_fields& task);

} // namespace assay::tasks
