#include "core/stats/effect_size.hpp"

#include <boost/math/distributions/normal.hpp>

#include <algorithm>
#include <cmath>

namespace assay::stats {

std::optional<double> cohens_d_paired(const running_stats& differences) noexcept {
  const double deviation = differences.standard_deviation();
  if (!(deviation > 0))
    return std::nullopt;
  return differences.mean() / deviation;
}

std::optional<double> cohens_d(const running_stats& first, const running_stats& second) noexcept {
  if (first.count() < 2 || second.count() < 2)
    return std::nullopt;
  const auto n1 = static_cast<double>(first.count());
  const auto n2 = static_cast<double>(second.count());
  const double pooled = ((n1 - 1) * first.variance() + (n2 - 1) * second.variance()) / (n1 + n2 - 2);
  if (!(pooled > 0))
    return std::nullopt;
  return (first.mean() - second.mean()) / std::sqrt(pooled);
}

double cohens_h(double first, double second) noexcept {
  const auto angle = [](double share) { return 2 * std::asin(std::sqrt(std::clamp(share, 0.0, 1.0))); };
  return angle(first) - angle(second);
}

odds_ratio odds_ratio_of(const proportion& first, const proportion& second, double level) noexcept {
  const auto failures = [](const proportion& of) {
    return static_cast<double>(of.trials - std::min(of.successes, of.trials));
  };
  auto s1 = static_cast<double>(first.successes);
  auto s2 = static_cast<double>(second.successes);
  double f1 = failures(first);
  double f2 = failures(second);
  if (s1 == 0 || s2 == 0 || f1 == 0 || f2 == 0)
    for (double* count : {&s1, &s2, &f1, &f2})
      *count += 0.5;
  const double z =
      boost::math::quantile(boost::math::normal(), 1 - (1 - std::clamp(level, 0.001, 0.999999)) / 2);
  const double logarithm = std::log(s1 / f1) - std::log(s2 / f2);
  const double half = z * std::sqrt(1 / s1 + 1 / f1 + 1 / s2 + 1 / f2);
  return {std::exp(logarithm), {std::exp(logarithm - half), std::exp(logarithm + half)}};
}

double paired_odds_ratio(uint64_t only_first, uint64_t only_second) noexcept {
  const double more = only_first == 0 || only_second == 0 ? 0.5 : 0;
  return (static_cast<double>(only_second) + more) / (static_cast<double>(only_first) + more);
}

} // namespace assay::stats
