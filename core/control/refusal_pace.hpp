#pragma once

#include "core/control/clock.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace assay::control {

/// What survives a restart.
struct refusal_pace_state {
  double per_second = 0;
  nanoseconds since_refusal{0};

  bool operator==(const refusal_pace_state&) const = default;
};

/// The pace of a provider that refuses calls (429) and says of no limit, taken from what it answers.
///
/// A refusal makes the pace 0.9 of the calls per second that were answered in the last five seconds, if at
/// least ten were: fewer say nothing about a rate. A later one lowers it to the same measure, but by a tenth
/// at least and by half at most, once per second or Retry-After. Each second with an answer raises it by one
/// per cent. Five minutes after the last refusal it is forgotten.
class refusal_pace {
public:
  refusal_pace() = default;
  /// Goes on from @p state, exported @p elapsed ago.
  refusal_pace(const refusal_pace_state& state, steady_time now, nanoseconds elapsed = {}) noexcept;

  void answered(uint64_t calls, steady_time now) noexcept;

  /// @param closed_for Until then further refusals say nothing new.
  void refused(steady_time now, nanoseconds closed_for) noexcept;

  /// @returns calls per second; nothing while no pace is known.
  std::optional<double> per_second(steady_time now) const noexcept;

  std::optional<refusal_pace_state> export_state(steady_time now) const noexcept;

private:
  static constexpr int64_t window = 5; ///< Seconds.

  void rotate(steady_time now) noexcept;
  uint64_t seen() const noexcept;
  double seen_per_second(steady_time now) const noexcept;

  std::array<uint64_t, window> answers_{}; ///< By second.
  int64_t newest_ = 0;                     ///< The second of the newest slice.
  steady_time first_{};                    ///< The window's first answer.
  double pace_ = 0;                        ///< Calls per second; 0 for none.
  steady_time refused_at_{};
  steady_time quiet_until_{}; ///< Refusals before count as one with the last.
  steady_time grown_at_{};
};

} // namespace assay::control
