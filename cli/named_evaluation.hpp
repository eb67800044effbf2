#pragma once

#include "cli/run_plan.hpp"

#include <string>
#include <string_view>

namespace assay::cli {

/// Fills what the flags leave open from the evaluation of the configuration that they name: models, tasks,
/// parameters, and where results go. Flags that were given win.
/// @returns the flags as they are when they name none; not_found, with the known names, for an unknown one.
result<run_flags> with_evaluation(run_flags flags, const config::settings& settings);

/// @returns the place of a request's field in the named evaluation, `evaluations.NAME.configuration.limit`,
/// or an empty text when the field comes from a flag.
std::string place_in_evaluation(const run_flags& flags, std::string_view field);

} // namespace assay::cli
