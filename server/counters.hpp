#pragma once

#include <array>
#include <cstdint>

namespace assay::server {

/// What the edge counts for /metrics. Touched by the edge's thread only.
struct edge_counters {
  static constexpr std::array<double, 11> duration_bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                          0.1,   0.25,   0.5,   1.0,  2.5}; ///< Seconds.

  std::array<uint64_t, 6> requests_by_class{}; ///< By the first digit of the status.
  std::array<uint64_t, duration_bounds.size() + 1> durations{};
  double duration_sum = 0;
  uint64_t connections_accepted = 0;
  uint64_t connections_refused = 0;
  uint64_t connections_open = 0;
  uint64_t web_sockets_open = 0;
  uint64_t web_sockets_overflowed = 0;
  uint64_t frames_sent = 0;

  void count(unsigned status, double duration_seconds) noexcept {
    ++requests_by_class[status / 100 < requests_by_class.size() ? status / 100 : 0];
    size_t bucket = 0;
    while (bucket < duration_bounds.size() && duration_seconds > duration_bounds[bucket])
      ++bucket;
    ++durations[bucket];
    duration_sum += duration_seconds;
  }
};

} // namespace assay::server
