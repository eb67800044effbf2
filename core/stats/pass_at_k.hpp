#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace assay::stats {

/// What came of the epochs of one sample.
struct repeated_trials {
  uint32_t trials = 0;
  uint32_t successes = 0;
};

/// The chance that at least one of k answers is right, estimated without bias from n >= k answers of which c
/// are right: 1 - C(n - c, k) / C(n, k), as the product 1 - prod_(i = n-c+1..n) (1 - k / i). Chen et al.,
/// "Evaluating Large Language Models Trained on Code" (2021), equation 1.
/// @returns nothing when k is 0 or above n, or c above n.
std::optional<double> pass_at_k(const repeated_trials& sample, uint32_t k) noexcept;

/// The chance that all of k answers are right: C(c, k) / C(n, k). Yao et al., "tau-bench" (2024), pass^k.
std::optional<double> pass_all_k(const repeated_trials& sample, uint32_t k) noexcept;

struct pass_estimate {
  double mean = 0;
  double standard_error = 0; ///< Over the samples, which covers the spread of the epochs too.
  uint64_t samples = 0;
  uint64_t left_out = 0; ///< Samples with fewer than k trials.
};

/// The mean over samples. Samples are what was drawn, so its error is their values' deviation over the root
/// of their number.
pass_estimate estimate_pass_at_k(std::span<const repeated_trials> samples, uint32_t k) noexcept;

} // namespace assay::stats
