#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <sys/types.h>

namespace assay::launcher {

/// What the processes of a sandbox use at one moment, together, without the first.
struct usage {
  std::chrono::microseconds cpu{0}; ///< Of those that live, and of their children that they waited for.
  uint64_t memory_bytes = 0;
  unsigned processes = 0;
};

/// Looks through /proc, which shows this sandbox's processes only.
/// @param memory_limit Above it, and only then, what processes share is counted once; 0: always as it is
/// held.
usage measure(uint64_t memory_limit);

} // namespace assay::launcher
