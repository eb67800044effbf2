#pragma once

#include "core/control/clock.hpp"

#include <cstdint>
#include <optional>

namespace assay::control {

struct aimd_options {
  uint32_t cap = 1000;   ///< Hard limit of calls in flight, 1 or more.
  uint32_t initial = 20; ///< Start: min(initial, cap).
  uint32_t minimum = 1;
  double decrease = 0.8;   ///< Factor on a 429.
  double increase = 0.05;  ///< Share added by a clean saturated round, at least 1.
  double saturation = 0.8; ///< Share of the limit that a round must have had in flight.
  nanoseconds cooldown = std::chrono::seconds{5};
  /// Pins the limit to the cap, for operators who know it and for benchmarks.
  bool fixed = false;
};

/// What survives a restart.
struct aimd_state {
  uint32_t limit = 0;
  bool slow_start = true;

  bool operator==(const aimd_state&) const = default;
};

/// Adaptive limit of calls in flight: additive increase, multiplicative decrease, with a slow start (after
/// Inspect AI's controller and Netflix concurrency-limits).
///
/// A round is max(limit, 4) clean successes. A round that had at least saturation*limit calls in flight at
/// some moment doubles the limit until the first 429, and later adds max(1, 5 %). A 429 multiplies it by 0.8,
/// at most once per cooldown of max(5 s, Retry-After), in which successes do not count. Other failures and
/// calls that needed a retry are neutral: they say nothing about concurrency. Latency is ignored: that of a
/// model depends on what it writes.
class aimd_limit {
public:
  explicit aimd_limit(const aimd_options& options) noexcept;
  aimd_limit(const aimd_options& options, const aimd_state& state) noexcept;

  /// @returns how many calls may be in flight.
  uint32_t limit() const noexcept { return options_.fixed ? options_.cap : limit_; }
  uint32_t in_flight() const noexcept { return in_flight_; }
  bool has_room() const noexcept { return in_flight_ < limit(); }

  /// A call was sent. Each is followed by exactly one of the three below.
  void started() noexcept;

  /// @param clean Whether it succeeded at its first try.
  void succeeded(bool clean, steady_time now) noexcept;

  /// The provider answered 429.
  void rejected(steady_time now, std::optional<nanoseconds> retry_after = std::nullopt) noexcept;

  /// The call ended in any other way.
  void ended() noexcept;

  /// Changes the cap; the limit follows when it is above.
  void set_cap(uint32_t cap) noexcept;

  aimd_state export_state() const noexcept { return {limit_, slow_start_}; }

private:
  void begin_round() noexcept;
  void grow() noexcept;

  aimd_options options_;
  uint32_t limit_;
  bool slow_start_ = true;
  uint32_t in_flight_ = 0;
  uint32_t round_peak_ = 0;      ///< Most calls in flight in this round.
  uint32_t round_successes_ = 0; ///< Clean ones.
  steady_time cooldown_until_ = steady_time::min();
};

} // namespace assay::control
