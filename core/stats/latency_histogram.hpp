#pragma once

#include "core/values/time.hpp"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace assay::stats {

/// Percentiles of a stream of durations in bounded memory: buckets whose width grows with the value, after
/// Gil Tene's HdrHistogram. Durations up to 127 microseconds are exact; above, a percentile is at most 1/64
/// (1.6 %) over the true one. Up to 2^36 microseconds (19 hours), longer ones count as that; at most 16 KiB.
class latency_histogram {
public:
  /// What a histogram holds, for the store.
  struct parts {
    std::vector<std::pair<uint32_t, uint64_t>> buckets; ///< Number and count of those that are not empty.
    double sum_microseconds = 0;
    microseconds minimum{0};
    microseconds maximum{0};
  };

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

  parts take_apart() const;
  /// @returns the histogram that take_apart() gave these parts of; nothing for parts that no histogram has.
  static std::optional<latency_histogram> put_together(const parts& from);

private:
  uint64_t& at(size_t bucket);

  size_t first_ = 0;              ///< The number of the first bucket kept.
  std::vector<uint64_t> buckets_; ///< From the smallest value seen to the largest.
  uint64_t count_ = 0;
  double sum_ = 0;
  microseconds minimum_{0};
  microseconds maximum_{0};
};

} // namespace assay::stats
