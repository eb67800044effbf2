#pragma once

#include "cli/config_backend.hpp"
#include "config/settings.hpp"
#include "core/values/errors.hpp"

#include <memory>

namespace assay::cli {

/// The configurations of a data folder that no server has. Reading works beside a running farm; writing takes
/// the folder for a moment.
std::unique_ptr<config_backend> make_local_configs(std::shared_ptr<const config::settings> settings);

} // namespace assay::cli
