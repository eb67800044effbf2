#pragma once

#include "actors/hosts/sandbox_runner.hpp"
#include "io/runtime.hpp"
#include "io/sandbox.hpp"

namespace assay {

/// Runs jobs as programs of this machine, in bubblewrap. @p runtime must outlive what is made.
sandbox_runner_factory make_process_sandbox_runner(io::io_runtime& runtime, io::sandbox_options options);

} // namespace assay
