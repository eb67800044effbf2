#pragma once

#include "core/stats/intervals.hpp"
#include "core/stats/running_stats.hpp"

#include <cstdint>
#include <span>

namespace assay::stats {

/// What a test found. All tests here are two-sided.
struct test_result {
  double statistic = 0; ///< t, z or chi-square; 0 for exact tests.
  double degrees = 0;   ///< Of freedom, where the test has some.
  double p = 1;         ///< 1 where there is too little to test.
};

/// How often each of two things happened: successes of so many trials.
struct proportion {
  uint64_t successes = 0;
  uint64_t trials = 0;

  double share() const noexcept {
    return trials == 0 ? 0 : static_cast<double>(successes) / static_cast<double>(trials);
  }
};

/// Whether two models that saw the same samples are right equally often, from the samples on which they
/// disagree: p = min(1, 2 P(X <= min(first, second))), X binomial(first + second, 1/2). McNemar 1947, exact
/// form. With @p mid_p the chance of the observed outcome is taken off, which makes the test less timid and
/// in practice keeps the level (Fagerland, Lydersen and Laake, BMC Medical Research Methodology 2013, 13:91).
/// @param only_first Samples that only the first got right.
test_result mcnemar_exact(uint64_t only_first, uint64_t only_second, bool mid_p = false) noexcept;

/// Interval of the difference second - first of two paired proportions, by Bonett and Price, "Adjusted Wald
/// confidence interval for a difference of binomial proportions based on paired data" (2012): the disagreeing
/// counts get 1 added, the samples 2. Does not shrink to nothing where all pairs agree.
interval paired_proportions_interval(uint64_t only_first, uint64_t only_second, uint64_t pairs,
                                     double level = 0.95) noexcept;

/// Student's t of the differences' mean against 0: t = mean / (sd / sqrt n), n - 1 degrees. Without any
/// spread p is 1 for differences of 0 and 0 for others.
test_result paired_t(const running_stats& differences) noexcept;

/// Welch's t of two means with unequal variances, and Welch and Satterthwaite's degrees of freedom (Welch
/// 1947): t = (mean1 - mean2) / sqrt(v1 / n1 + v2 / n2).
test_result welch_t(const running_stats& first, const running_stats& second) noexcept;

/// Interval of mean1 - mean2 by the same distribution.
interval welch_interval(const running_stats& first, const running_stats& second,
                        double level = 0.95) noexcept;

/// z with the pooled share, for independent samples: z = (p1 - p2) / sqrt(p (1 - p) (1 / n1 + 1 / n2)). Where
/// an expected count is below 5, fisher_exact() is the better one.
test_result two_proportions_z(const proportion& first, const proportion& second) noexcept;

/// Whether every expected count is at least 5, Cochran's rule for two_proportions_z().
bool is_large_enough(const proportion& first, const proportion& second) noexcept;

/// Fisher's exact test of two independent proportions: the sum of the hypergeometric chances of all tables
/// with the same margins that are not likelier than the one observed (Fisher 1935; R and SciPy do the same).
/// Its time grows with the smaller margin.
test_result fisher_exact(const proportion& first, const proportion& second);

/// Interval of p1 - p2 of independent samples from the Wilson intervals of both: Newcombe, "Interval
/// estimation for the difference between independent proportions" (1998), method 10.
interval newcombe_interval(const proportion& first, const proportion& second, double level = 0.95) noexcept;

/// Whether the groups of an experiment have the sizes that their shares promise: Pearson's chi-square. A tiny
/// p (Fabijan et al. 2019 use 0.0005) means that something is wrong with the assignment and nothing else
/// should be concluded. @param shares Of any sum, all > 0, as long as @p counts.
test_result sample_ratio_mismatch(std::span<const uint64_t> counts, std::span<const double> shares) noexcept;

} // namespace assay::stats
