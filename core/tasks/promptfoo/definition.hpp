#pragma once

#include "core/tasks/promptfoo/test_file.hpp"
#include "core/tasks/task_definition.hpp"

#include <string>

namespace assay::tasks::promptfoo {

/// @returns the tests in assay's own YAML. @param dataset The rows.
std::string own_yaml(const test_file& tests, const std::string& dataset);

/// @returns all rows, one a line.
std::string rows_text(const test_file& tests);

/// @returns the task as the catalogue has it, until its rows are written. @param file Where it stands.
result<task_definition> to_definition(test_file tests, const std::string& file);

} // namespace assay::tasks::promptfoo
