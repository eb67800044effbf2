#pragma once

#include "config/settings.hpp"
#include "core/values/errors.hpp"

#include <string>
#include <string_view>

namespace assay::config {

/// Where results that an evaluation calls @p name belong: the place_in_results() of `results_dir`.
/// @returns an absolute path, or invalid_argument when there is no such place or it is outside, through a
/// symbolic link.
result<std::string> results_path(const settings& from, std::string_view name);

/// Where a path lands that somebody typed on the command line: below `results_dir` when it is relative and
/// that folder was set to something else than ./results; else where it says. `./x` and paths with `..` stay
/// in the working folder.
std::string output_place(const settings& from, std::string_view typed, const std::string& working_dir);

} // namespace assay::config
