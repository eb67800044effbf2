#pragma once

#include "config/load.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace assay::config {

/// @returns @p path as an absolute one, starting from @p working_dir; `~/` is the home folder. Empty stays
/// empty.
std::string absolute_path(std::string_view path, const std::string& working_dir, const std::string& home_dir);

/// @returns the folders with the shipped tasks: beside the program as installed or as built, else ./tasks.
std::vector<std::string> shipped_tasks_dirs(const load_request& request);

/// @returns the folder that holds the shipped Python package assay_worker, found like the shipped tasks, or
/// an empty text when there is none.
std::string shipped_python_dir(const load_request& request);

/// @returns the folder of configuration files, or an empty text when there is none.
std::string default_config_dir(const load_request& request);

} // namespace assay::config
