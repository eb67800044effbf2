#pragma once

#include "core/stats/intervals.hpp"

#include <cstdint>
#include <span>

namespace assay::stats {

struct bootstrap_options {
  double level = 0.95;
  uint32_t resamples = 2000;
  uint64_t seed = 1; ///< The same seed draws the same resamples on every platform.
};

/// Intervals of a mean from resampling the values with replacement, nothing assumed of their distribution.
/// Paired: give the differences of the pairs. Clustered: give one value a cluster, its mean. Both cost
/// `resamples` times the number of values. [mean, mean] for fewer than two values or no spread; [0, 0] for
/// none.

/// The quantiles of the resampled means (Efron 1979; Efron and Tibshirani 1993, chapter 13).
interval bootstrap_percentile(std::span<const double> values, const bootstrap_options& options = {});

/// Bias-corrected and accelerated: the quantiles moved for the bias z0 of the resampled means and for the
/// skewness a of the values (Efron, "Better bootstrap confidence intervals", JASA 1987):
///
///     share = Phi(z0 + (z0 + z) / (1 - a (z0 + z))),
///     a = sum (x - mean)^3 / (6 (sum (x - mean)^2)^1.5), z0 = Phi^-1(share of resampled means below the
///     mean)
///
/// Means equal to the mean of the values count half into z0.
interval bootstrap_bca(std::span<const double> values, const bootstrap_options& options = {});

} // namespace assay::stats
