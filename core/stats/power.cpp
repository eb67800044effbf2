#include "core/stats/power.hpp"

#include <boost/math/distributions/normal.hpp>

#include <algorithm>
#include <cmath>

namespace assay::stats {
namespace {

const boost::math::normal standard_normal;

double quantile_of(double share) noexcept {
  return boost::math::quantile(standard_normal, std::clamp(share, 1e-12, 1 - 1e-12));
}

double z_alpha(double alpha) noexcept { return quantile_of(1 - alpha / 2); }

uint64_t whole(double count) noexcept {
  // A result that is whole but for rounding stays what it is.
  return static_cast<uint64_t>(std::ceil(std::min(count - 1e-9, 1e18)));
}

double variance_of(double share) noexcept { return share * (1 - share); }

} // namespace

double minimum_detectable_effect(double standard_error, const test_design& design) noexcept {
  return (z_alpha(design.alpha) + quantile_of(design.power)) * standard_error;
}

double power_of(double difference, double standard_error, double alpha) noexcept {
  if (!(standard_error > 0))
    return difference == 0 ? alpha : 1;
  const double shift = std::abs(difference) / standard_error;
  const double z = z_alpha(alpha);
  return boost::math::cdf(standard_normal, shift - z) + boost::math::cdf(standard_normal, -shift - z);
}

uint64_t pairs_needed(double difference, double deviation_of_differences,
                      const test_design& design) noexcept {
  if (difference == 0)
    return 0;
  const double root = minimum_detectable_effect(deviation_of_differences, design) / difference;
  return whole(root * root);
}

uint64_t samples_needed(double difference, double deviation, const test_design& design) noexcept {
  return pairs_needed(difference, deviation * std::sqrt(2.0), design);
}

double power_of_proportions(double first, uint64_t first_trials, double second, uint64_t second_trials,
                            double alpha) noexcept {
  if (first_trials == 0 || second_trials == 0)
    return 0;
  const auto n1 = static_cast<double>(first_trials);
  const auto n2 = static_cast<double>(second_trials);
  const double pooled = (first * n1 + second * n2) / (n1 + n2);
  const double under_null = std::sqrt(variance_of(pooled) * (1 / n1 + 1 / n2));
  const double error = std::sqrt(variance_of(first) / n1 + variance_of(second) / n2);
  const double difference = std::abs(first - second);
  if (!(error > 0))
    return difference == 0 ? alpha : 1;
  const double bound = z_alpha(alpha) * under_null;
  return boost::math::cdf(standard_normal, (difference - bound) / error)
         + boost::math::cdf(standard_normal, (-difference - bound) / error);
}

uint64_t samples_needed_for_proportions(double first, double second, const test_design& design) noexcept {
  if (first == second)
    return 0;
  const double root = (z_alpha(design.alpha) * std::sqrt(2 * variance_of((first + second) / 2))
                       + quantile_of(design.power) * std::sqrt(variance_of(first) + variance_of(second)))
                      / (first - second);
  return whole(root * root);
}

double minimum_detectable_rise(double base, uint64_t trials_each, const test_design& design) noexcept {
  constexpr int halvings = 60;
  double low = 0;
  double high = 1 - base;
  for (int i = 0; i < halvings; ++i) {
    const double middle = (low + high) / 2;
    if (power_of_proportions(base + middle, trials_each, base, trials_each, design.alpha) < design.power)
      low = middle;
    else
      high = middle;
  }
  return high;
}

uint64_t pairs_needed_for_mcnemar(double difference, double discordant, const test_design& design) noexcept {
  if (difference == 0)
    return 0;
  const double psi = std::max(discordant, std::abs(difference));
  const double root = (z_alpha(design.alpha) * std::sqrt(psi)
                       + quantile_of(design.power) * std::sqrt(std::max(0.0, psi - difference * difference)))
                      / difference;
  return whole(root * root);
}

} // namespace assay::stats
