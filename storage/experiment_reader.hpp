#pragma once

#include "core/experiments/experiment.hpp"
#include "core/reports/experiment_report.hpp"
#include "storage/snapshot.hpp"
#include "storage/store.hpp"

#include <memory>
#include <optional>
#include <string>

namespace assay::storage {

/// @returns the experiment as the store has it, with how far its runs are now; nothing when there is none.
result<std::optional<experiments::experiment>> find_experiment(snapshot& view, const std::string& id);

/// What a report needs of the run of one child. @returns nothing for a child without a run in the store.
/// Reads page by page, a snapshot each; belongs on a worker thread.
result<std::optional<reports::child_facts>> read_child_facts(const std::shared_ptr<store>& from,
                                                             const experiments::experiment_child& child);

/// The same for every child, and the report of it into @p out. @returns what went wrong.
std::optional<fault> read_experiment_report(const std::shared_ptr<store>& from,
                                            const experiments::experiment& what, wall_time now,
                                            nlohmann::json& out);

} // namespace assay::storage
