#pragma once

#include "core/values/errors.hpp"

#include <string>
#include <string_view>

namespace assay {

/// What a request calls @p name, as a relative path below the results folder. A first part `results` means
/// that folder itself, so that `results/baseline` and `baseline` are the same place; the folder is ".".
/// @returns invalid_argument for the field output_base_path when @p name is empty, absolute, climbs with `..`
/// or has a part that is no usual name of a file.
result<std::string> place_in_results(std::string_view name);

} // namespace assay
