#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace assay::scoring {

/// How the scores of one sample's repeats become one.
enum class epochs_reducer : uint8_t {
  mean = 1,
  median = 2,
  mode = 3, ///< The commonest value; of equals the one that comes first. Also called majority.
  max = 4,
  at_least_k = 5, ///< 1 when k or more repeats are right, else 0.
  pass_at_k = 6, ///< Chance that one of k drawn repeats is right: 1 - C(n-c, k) / C(n, k) (Chen et al. 2021).
  pass_hat_k = 7, ///< Chance that all of k drawn repeats are right: C(c, k) / C(n, k) (Yao et al. 2024).
};

/// A reducer with its number.
struct epochs_reduction {
  epochs_reducer how = epochs_reducer::mean;
  uint32_t k = 1;        ///< For at_least_k, pass_at_k and pass_hat_k.
  double right_from = 1; ///< A value at or above it is right.

  bool operator==(const epochs_reduction&) const = default;
};

/// @returns the reduction that @p text names: mean, median, mode, majority, max, at_least_3, pass_at_1,
/// pass_hat_2; nothing for other texts and for k = 0.
std::optional<epochs_reduction> epochs_reduction_from_string(std::string_view text);
std::string to_string(const epochs_reduction& reduction);

/// @returns the value of all repeats together; nothing for no values, and for pass_at_k and pass_hat_k when
/// there are fewer than k.
std::optional<double> reduce_epochs(const epochs_reduction& reduction, std::span<const double> values);

} // namespace assay::scoring
