#pragma once

#include "io/launcher/launch_options.hpp"

namespace assay::launcher {

/// Leaves root behind, and becomes bubblewrap, which makes the sandbox and runs this program again in it.
[[noreturn]] void run_outside(const launch_options& options);

} // namespace assay::launcher
