#pragma once

#include "core/monitoring/call_windows.hpp"
#include "core/values/ids.hpp"

#include <optional>
#include <vector>

namespace assay::monitoring {

/// The same calls over every window.
struct all_windows {
  window_summary minute;
  window_summary five_minutes;
  window_summary hour;
  window_summary day;

  bool operator==(const all_windows&) const = default;
};

inline const window_summary& over(const all_windows& windows, window_span span) noexcept {
  switch (span) {
  case window_span::minute:
    return windows.minute;
  case window_span::five_minutes:
    return windows.five_minutes;
  case window_span::hour:
    return windows.hour;
  case window_span::day:
    break;
  }
  return windows.day;
}

/// What a model's configuration wishes for.
struct performance_targets {
  std::optional<double> response_time; ///< Seconds, mean.
  std::optional<double> success_rate;  ///< 0..1

  bool operator==(const performance_targets&) const = default;
};

/// One series as it is now: the calls of one model at one provider.
struct model_view {
  provider_id provider;
  model_id model;
  all_windows windows;
  performance_targets targets;

  bool operator==(const model_view&) const = default;
};

} // namespace assay::monitoring
