#pragma once

#include "io/launcher/launch_options.hpp"

namespace assay::launcher {

/// Is the first process of a sandbox: lays out the job's files, starts the program under its limits, watches
/// over all processes together, ends them all, and reports.
///
/// What it reports, a line each, is for io/sandbox.cpp:
///     at CPU_US PEAK_BYTES                            now and then
///     end WORD CODE SIGNAL CPU_US WALL_US PEAK_BYTES  at the end; the words are those of sandbox_end
///     error TEXT                                      instead, when the program could not be run
[[noreturn]] void run_inside(const launch_options& options);

} // namespace assay::launcher
