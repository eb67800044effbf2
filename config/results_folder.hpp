#pragma once

#include "config/settings.hpp"
#include "core/values/errors.hpp"

#include <string>
#include <string_view>

namespace assay::config {

/// Where results that a request or an evaluation calls @p name belong: below `results_dir`. A first part
/// `results` means that folder itself, so that `results/baseline` and `baseline` are the same place.
/// @returns an absolute path, or invalid_argument when @p name is empty, absolute, climbs with `..` or leaves
/// the folder through a symbolic link.
result<std::string> results_path(const settings& from, std::string_view name);

/// Where a path lands that somebody typed on the command line: below `results_dir` when it is relative and
/// that folder was set to something else than ./results; else where it says. `./x` stays in the working
/// folder.
std::string output_place(const settings& from, std::string_view typed, const std::string& working_dir);

} // namespace assay::config
