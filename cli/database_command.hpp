#pragma once

#include "cli/output.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace assay::cli {

struct command_context;

/// Rows of test_database::rows() as a table, first the columns that they are grouped by.
std::string render_tests(const terminal& where, const nlohmann::json& rows,
                         const std::vector<std::string>& by);

/// Adds stats, query, export, import, rebuild and forget: below `database`, and below `batch`, where the
/// document has them.
void add_database_verbs(CLI::App& under, command_context& context);

} // namespace assay::cli
