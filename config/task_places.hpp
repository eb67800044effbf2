#pragma once

#include "config/settings.hpp"

#include <string>
#include <vector>

namespace assay::config {

/// @returns every file that `tasks.datasets` names.
std::vector<std::string> dataset_files(const settings& from);

} // namespace assay::config
