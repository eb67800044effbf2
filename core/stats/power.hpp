#pragma once

#include <cstdint>

namespace assay::stats {

/// What a two-sided test is asked to do.
struct test_design {
  double alpha = 0.05; ///< Chance to see a difference where there is none.
  double power = 0.8;  ///< Chance to see one that is there.
};

/// All by the normal approximation (Chow, Shao and Wang, "Sample Size Calculations in Clinical Research",
/// chapters 3 and 4): good from some 30 samples on. z_a is the quantile of 1 - alpha / 2, z_p that of the
/// power.

/// The smallest difference of means that a test with @p standard_error of the difference finds with the
/// wished power: (z_a + z_p) * standard_error. Paired: deviation of the differences / sqrt n. Unpaired:
/// sqrt(v1 / n1 + v2 / n2).
double minimum_detectable_effect(double standard_error, const test_design& design = {}) noexcept;

/// The chance to find @p difference: Phi(|d| / se - z_a) + Phi(-|d| / se - z_a).
double power_of(double difference, double standard_error, double alpha = 0.05) noexcept;

/// Pairs needed to find a mean difference: ceil(((z_a + z_p) * deviation / d)^2). 0 for no difference.
uint64_t pairs_needed(double difference, double deviation_of_differences,
                      const test_design& design = {}) noexcept;

/// Samples needed in each of two independent groups of the same size and deviation: twice the above.
uint64_t samples_needed(double difference, double deviation, const test_design& design = {}) noexcept;

/// The power of the two-proportion z test with the pooled share, for groups of these sizes (Fleiss 1981).
double power_of_proportions(double first, uint64_t first_trials, double second, uint64_t second_trials,
                            double alpha = 0.05) noexcept;

/// Samples needed in each group to tell @p first from @p second (Fleiss 1981, equation 3.14, without
/// correction for continuity): ceil((z_a sqrt(2 p (1 - p)) + z_p sqrt(p1 (1 - p1) + p2 (1 - p2)))^2 / d^2).
uint64_t samples_needed_for_proportions(double first, double second, const test_design& design = {}) noexcept;

/// The smallest rise above @p base that groups of this size find, by halving; 1 - base when none is found.
double minimum_detectable_rise(double base, uint64_t trials_each, const test_design& design = {}) noexcept;

/// Pairs that McNemar's test needs when @p discordant of the pairs differ and the shares differ by
/// @p difference: ceil((z_a sqrt(psi) + z_p sqrt(psi - d^2))^2 / d^2) (Connor, "Sample size for testing
/// differences in proportions for the paired-sample design", Biometrics 1987). 0 for no difference.
uint64_t pairs_needed_for_mcnemar(double difference, double discordant,
                                  const test_design& design = {}) noexcept;

} // namespace assay::stats
