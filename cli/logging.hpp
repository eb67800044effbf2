#pragma once

#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "core/values/errors.hpp"

#include <cstdint>
#include <string>

namespace assay::cli {

/// Makes the process's logger: to the configured file with rotation, else to the console.
/// @param least The level when neither -v nor -q is given and logs go to the console; commands that draw
/// progress want `warn`. Empty: the configured one.
result<void> start_logging(const command_context& context, const config::settings& settings,
                           const std::string& least = {});

enum class announcement : uint8_t { news, warning };

/// Logs a line of the start, and shows it on the console where the log does not: whoever started a server
/// waits for its address there, wherever the log goes. --quiet keeps it to the log.
void announce(const command_context& context, const config::settings& settings, announcement kind,
              const std::string& text);

} // namespace assay::cli
