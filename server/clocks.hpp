#pragma once

#include "core/values/time.hpp"

#include <chrono>
#include <functional>

namespace assay::server {

/// The two clocks, so that tests can move both: steady for durations and deadlines, wall for what people and
/// tokens see.
struct clocks {
  std::function<std::chrono::steady_clock::time_point()> steady = [] {
    return std::chrono::steady_clock::now();
  };
  std::function<wall_time()> wall = [] { return wall_now(); };
};

} // namespace assay::server
