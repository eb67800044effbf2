#pragma once

#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "core/values/errors.hpp"

namespace assay::cli {

/// Makes the process's logger: to the configured file with rotation, else to the console.
/// @param least The level when neither -v nor -q is given and logs go to the console; commands that draw
/// progress want `warn`. Empty: the configured one.
result<void> start_logging(const command_context& context, const config::settings& settings,
                           const std::string& least = {});

} // namespace assay::cli
