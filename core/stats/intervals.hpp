#pragma once

#include <cstdint>
#include <span>

namespace assay::stats {

/// Both ends belong to it.
struct interval {
  double low = 0;
  double high = 0;

  bool operator==(const interval&) const = default;
};

/// mean -/+ t(1 - (1 - level) / 2, n - 1) * standard_error, Student's t interval of a mean.
/// @param level Inside (0, 1). @returns [mean, mean] for fewer than two values or no spread.
interval t_interval(double mean, double standard_error, uint64_t count, double level = 0.95) noexcept;

/// Wilson's score interval of a proportion (Wilson 1927), without continuity correction; good for few samples
/// and for proportions near 0 and 1, where the normal interval is not.
/// @param successes <= @p trials. @returns [0, 1] for no trials.
interval wilson_interval(uint64_t successes, uint64_t trials, double level = 0.95) noexcept;

/// Standard error of a mean whose values come in groups that resemble each other (questions on one text,
/// epochs of one sample): sqrt(sum over groups of (sum of residuals)^2) / n, the cluster-robust form of
/// Liang and Zeger (1986) as used by Miller, "Adding Error Bars to Evals" (2024).
/// @param clusters Group of each value, as long as @p values. 0 for fewer than two values.
double clustered_standard_error(std::span<const double> values, std::span<const uint64_t> clusters);

/// @param sorted Ascending, not empty. @param share 0..1. Interpolates linearly between the neighbours
/// (Hyndman and Fan's type 7, numpy's default). 0 for no values.
double percentile(std::span<const double> sorted, double share) noexcept;

} // namespace assay::stats
