#pragma once

#include <chrono>
#include <deque>
#include <optional>

namespace assay {

/// How often a child may fall before its supervisor gives up, and how long it waits between.
struct restart_limits {
  size_t intensity = 5;               ///< So many restarts
  std::chrono::seconds period{30};    ///< within this time; one more escalates.
  std::chrono::milliseconds base{50}; ///< Wait before the first restart; doubles with each.
  std::chrono::milliseconds cap{5'000};
};

/// Decides over restarts of one child. Pure: time and chance are handed in.
/// After OTP's supervisors (intensity and period) with Akka's backoff (up to 20 % of jitter on top).
class restart_policy {
public:
  explicit restart_policy(restart_limits limits = {}) : limits_(limits) {}

  /// Notes a fall at @p now. @param random01 uniform in [0, 1).
  /// @returns how long to wait before the restart, or nothing when the supervisor must escalate.
  std::optional<std::chrono::milliseconds> on_fall(std::chrono::steady_clock::time_point now,
                                                   double random01);

private:
  restart_limits limits_;
  std::deque<std::chrono::steady_clock::time_point> falls_;
};

} // namespace assay
