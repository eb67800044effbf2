#pragma once

#include "core/values/time.hpp"

#include <chrono>

namespace assay::control {

/// A point on the monotonic clock. Nothing in this folder reads a clock: callers pass the present time in, so
/// that tests can move it.
using steady_time = std::chrono::steady_clock::time_point;

} // namespace assay::control
