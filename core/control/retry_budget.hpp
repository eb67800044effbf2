#pragma once

#include "core/control/clock.hpp"

#include <array>
#include <cstdint>

namespace assay::control {

/// Keeps retries a small share of the traffic, so that a provider in trouble does not get several times its
/// load: at most share * requests + minimum_per_second * 10 s retries in any ten seconds (Finagle's
/// RetryBudget: 20 % and 10 a second). Deferrals after a 429 are no retries and are not counted.
class retry_budget {
public:
  explicit retry_budget(double share = 0.2, double minimum_per_second = 10) noexcept
      : share_(share), minimum_per_second_(minimum_per_second) {}

  /// A call was sent for the first time.
  void request_sent(steady_time now) noexcept;

  /// @returns whether one retry is covered, and books it if so.
  bool try_retry(steady_time now) noexcept;

  /// @returns how many retries are covered now.
  double available(steady_time now) noexcept;

private:
  static constexpr int64_t slices = 10; ///< One second each; older ones have expired.

  void advance(steady_time now) noexcept;

  double share_;
  double minimum_per_second_;
  int64_t newest_ = 0;                   ///< Seconds on the clock of the newest slice.
  std::array<double, slices> credits_{}; ///< Earned minus spent.
};

} // namespace assay::control
