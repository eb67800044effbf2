#pragma once

#include "cli/commands.hpp"

#include <string>

namespace assay::cli {

/// Which keys of Datapresso's are taken.
struct datapresso_import {
  std::string path;     ///< A file or a folder; empty for ~/.datapresso/api_keys.
  std::string provider; ///< Whose key a file holds; empty: its name says so.
};

/// `assay keys import-datapresso`.
exit_code import_datapresso_keys(command_context& context, const datapresso_import& wish);

} // namespace assay::cli
