#pragma once

#include <cstdint>
#include <optional>

namespace assay {

/// How one user stands towards the others.
struct tenant_rules {
  uint32_t weight = 1; ///< Share of what a provider takes, against other users who wait; 1..1000.
  std::optional<uint32_t> max_running_runs; ///< Runs that make calls at a time; unset: only the farm's.
  std::optional<uint32_t> max_queued_runs;  ///< Runs that may wait; unset: only the farm's.

  bool operator==(const tenant_rules&) const = default;
};

} // namespace assay
