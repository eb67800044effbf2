#pragma once

#include <cstdint>

namespace assay::stats {

/// Mean and variance of a stream in constant memory, without cancellation (Welford 1962), mergeable by the
/// pairwise formula of Chan, Golub and LeVeque (1979).
class running_stats {
public:
  void add(double value) noexcept;
  void merge(const running_stats& other) noexcept;

  uint64_t count() const noexcept { return count_; }
  /// 0 for no values.
  double mean() const noexcept { return mean_; }
  /// Of the sample: divided by n - 1. 0 for fewer than two values.
  double variance() const noexcept;
  double standard_deviation() const noexcept;
  /// Of the mean: standard_deviation / sqrt(n). 0 for fewer than two values.
  double standard_error() const noexcept;
  /// 0 for no values.
  double minimum() const noexcept { return minimum_; }
  double maximum() const noexcept { return maximum_; }

private:
  uint64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0; ///< Sum of squared differences from the mean.
  double minimum_ = 0;
  double maximum_ = 0;
};

} // namespace assay::stats
