#pragma once

#include <nlohmann/json_fwd.hpp>

/// Private to core/reports.
namespace assay::reports::detail {

/// Adds `recommendations`, for people, and `recommendation_evidence`, the numbers behind each, to a report of
/// an experiment that has everything else.
void add_recommendations(nlohmann::json& out);

} // namespace assay::reports::detail
