#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace assay::reports {

/// What the tasks of groups have in common: means, and the standard errors of these from the tasks' own, as
/// lm-evaluation-harness pools them (sum((n - 1) n s^2) / (sum(n) - k) / sum(n), for k tasks of n samples).
/// @param groups As a run pins them; see task_catalogue::aggregates_of(). @param task_results Of the result.
/// @returns an object by the groups' names; a metric that no task has is left out.
nlohmann::json group_results(const std::string& groups, const nlohmann::json& task_results);

} // namespace assay::reports
