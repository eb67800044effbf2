#pragma once

#include "core/stats/hypothesis_tests.hpp"

#include <optional>

namespace assay::stats {

/// How large a difference is, whatever the number of samples.

/// Cohen's d of paired values, d_z: the mean of the differences over their standard deviation (Cohen 1988;
/// Lakens 2013). Nothing without spread.
std::optional<double> cohens_d_paired(const running_stats& differences) noexcept;

/// Cohen's d of independent groups: (mean1 - mean2) over the pooled standard deviation.
std::optional<double> cohens_d(const running_stats& first, const running_stats& second) noexcept;

/// Cohen's h of two shares: 2 asin sqrt p1 - 2 asin sqrt p2. 0.2 is small, 0.5 medium, 0.8 large (Cohen
/// 1988).
double cohens_h(double first, double second) noexcept;

/// How the odds of one group stand to those of another.
struct odds_ratio {
  double value = 1;
  interval confidence; ///< Woolf's, on the logarithm.
};

/// (s1 / f1) / (s2 / f2), with 1/2 added to all four counts when one is 0 (Haldane 1956, Anscombe 1956).
odds_ratio odds_ratio_of(const proportion& first, const proportion& second, double level = 0.95) noexcept;

/// Of pairs: only_second / only_first, 1/2 added to both when one is 0.
double paired_odds_ratio(uint64_t only_first, uint64_t only_second) noexcept;

} // namespace assay::stats
