#pragma once

#include "core/values/time.hpp"

#include <cstdint>
#include <vector>

namespace assay::stats {

/// Percentiles of a stream of durations in bounded memory: buckets whose width grows with the value, after
/// Gil Tene's HdrHistogram. Durations up to 127 microseconds are exact; above, a percentile is at most 1/64
/// (1.6 %) over the true one. Up to 2^36 microseconds (19 hours), longer ones count as that; at most 16 KiB.
class latency_histogram {
public:
  /// Negative durations count as zero.
  void record(microseconds duration, uint64_t times = 1);
  void merge(const latency_histogram& other);

  uint64_t count() const noexcept { return count_; }
  /// Exact, as are the extremes. All are 0 for no values.
  microseconds mean() const noexcept;
  microseconds minimum() const noexcept { return minimum_; }
  microseconds maximum() const noexcept { return maximum_; }

  /// @param share 0..1; 0.99 is the 99th percentile.
  /// @returns the smallest recorded bucket's upper end that at least this share of values does not exceed,
  /// never over maximum(). 0 for no values.
  microseconds percentile(double share) const noexcept;

private:
  std::vector<uint64_t> buckets_; ///< Grows to the largest value seen.
  uint64_t count_ = 0;
  double sum_ = 0;
  microseconds minimum_{0};
  microseconds maximum_{0};
};

} // namespace assay::stats
