#include "core/stats/hypothesis_tests.hpp"

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/hypergeometric.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay::stats {
namespace {

using boost::math::cdf;
using boost::math::complement;
using boost::math::quantile;

double upper_tail(double level) noexcept { return 1 - (1 - std::clamp(level, 0.001, 0.999999)) / 2; }

double normal_p(double z) noexcept {
  return std::min(1.0, 2 * cdf(complement(boost::math::normal(), std::abs(z))));
}

double student_p(double t, double degrees) noexcept {
  return std::min(1.0, 2 * cdf(complement(boost::math::students_t(degrees), std::abs(t))));
}

/// The test of a mean whose error is zero.
test_result without_spread(double difference, double degrees) noexcept {
  if (difference == 0)
    return {0, degrees, 1};
  return {std::copysign(std::numeric_limits<double>::infinity(), difference), degrees, 0};
}

struct welch_parts {
  double difference = 0;
  double error = 0;
  double degrees = 0;
};

welch_parts parts_of(const running_stats& first, const running_stats& second) noexcept {
  const auto n1 = static_cast<double>(first.count());
  const auto n2 = static_cast<double>(second.count());
  const double v1 = first.variance() / n1;
  const double v2 = second.variance() / n2;
  welch_parts out{first.mean() - second.mean(), std::sqrt(v1 + v2), n1 + n2 - 2};
  if (out.error > 0)
    out.degrees = (v1 + v2) * (v1 + v2) / (v1 * v1 / (n1 - 1) + v2 * v2 / (n2 - 1));
  return out;
}

} // namespace

test_result mcnemar_exact(uint64_t only_first, uint64_t only_second, bool mid_p) noexcept {
  const uint64_t count = only_first + only_second;
  if (count == 0)
    return {};
  const boost::math::binomial distribution(static_cast<double>(count), 0.5);
  const auto smaller = static_cast<double>(std::min(only_first, only_second));
  const double observed = boost::math::pdf(distribution, smaller);
  double p = 2 * cdf(distribution, smaller);
  if (only_first == only_second)
    p = mid_p ? 1 - observed / 2 : 1;
  else if (mid_p)
    p -= observed;
  return {0, 0, std::clamp(p, 0.0, 1.0)};
}

interval paired_proportions_interval(uint64_t only_first, uint64_t only_second, uint64_t pairs,
                                     double level) noexcept {
  if (pairs == 0)
    return {-1, 1};
  const double n = static_cast<double>(pairs) + 2;
  const double first = (static_cast<double>(only_first) + 1) / n;
  const double second = (static_cast<double>(only_second) + 1) / n;
  const double difference = second - first;
  const double z = quantile(boost::math::normal(), upper_tail(level));
  const double half = z * std::sqrt(std::max(0.0, first + second - difference * difference) / n);
  return {std::max(-1.0, difference - half), std::min(1.0, difference + half)};
}

test_result paired_t(const running_stats& differences) noexcept {
  if (differences.count() < 2)
    return {};
  const auto degrees = static_cast<double>(differences.count() - 1);
  const double error = differences.standard_error();
  if (!(error > 0))
    return without_spread(differences.mean(), degrees);
  const double t = differences.mean() / error;
  return {t, degrees, student_p(t, degrees)};
}

test_result welch_t(const running_stats& first, const running_stats& second) noexcept {
  if (first.count() < 2 || second.count() < 2)
    return {};
  const auto parts = parts_of(first, second);
  if (!(parts.error > 0))
    return without_spread(parts.difference, parts.degrees);
  const double t = parts.difference / parts.error;
  return {t, parts.degrees, student_p(t, parts.degrees)};
}

interval welch_interval(const running_stats& first, const running_stats& second, double level) noexcept {
  const double difference = first.mean() - second.mean();
  if (first.count() < 2 || second.count() < 2)
    return {difference, difference};
  const auto parts = parts_of(first, second);
  if (!(parts.error > 0))
    return {difference, difference};
  const double half = parts.error * quantile(boost::math::students_t(parts.degrees), upper_tail(level));
  return {difference - half, difference + half};
}

test_result two_proportions_z(const proportion& first, const proportion& second) noexcept {
  if (first.trials == 0 || second.trials == 0)
    return {};
  const auto n1 = static_cast<double>(first.trials);
  const auto n2 = static_cast<double>(second.trials);
  const double pooled = static_cast<double>(first.successes + second.successes) / (n1 + n2);
  const double error = std::sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2));
  if (!(error > 0))
    return {};
  const double z = (first.share() - second.share()) / error;
  return {z, 0, normal_p(z)};
}

bool is_large_enough(const proportion& first, const proportion& second) noexcept {
  const double total = static_cast<double>(first.trials + second.trials);
  const double right = static_cast<double>(first.successes + second.successes);
  if (total == 0)
    return false;
  const double smaller_group = static_cast<double>(std::min(first.trials, second.trials));
  return smaller_group * std::min(right, total - right) / total >= 5;
}

test_result fisher_exact(const proportion& first, const proportion& second) {
  const uint64_t right = first.successes + second.successes;
  const uint64_t total = first.trials + second.trials;
  if (first.trials == 0 || second.trials == 0 || right == 0 || right == total)
    return {};
  const boost::math::hypergeometric distribution(right, first.trials, total);
  const uint64_t least = right > second.trials ? right - second.trials : 0;
  const uint64_t most = std::min(right, first.trials);
  // Tables that are equally likely may differ in the last bits.
  constexpr double same = 1 + 1e-7;
  const double limit = boost::math::pdf(distribution, first.successes) * same;
  double p = 0;
  for (uint64_t i = least; i <= most; ++i)
    if (const double chance = boost::math::pdf(distribution, i); chance <= limit)
      p += chance;
  return {0, 0, std::min(1.0, p)};
}

interval newcombe_interval(const proportion& first, const proportion& second, double level) noexcept {
  const interval one = wilson_interval(first.successes, first.trials, level);
  const interval two = wilson_interval(second.successes, second.trials, level);
  const double p1 = first.share();
  const double p2 = second.share();
  if (first.trials == 0 || second.trials == 0)
    return {-1, 1};
  return {p1 - p2 - std::hypot(p1 - one.low, two.high - p2),
          p1 - p2 + std::hypot(one.high - p1, p2 - two.low)};
}

test_result sample_ratio_mismatch(std::span<const uint64_t> counts, std::span<const double> shares) noexcept {
  const size_t groups = std::min(counts.size(), shares.size());
  double total = 0;
  double parts = 0;
  for (size_t i = 0; i < groups; ++i) {
    total += static_cast<double>(counts[i]);
    parts += shares[i];
  }
  if (groups < 2 || !(total > 0) || !(parts > 0))
    return {};
  test_result out{0, static_cast<double>(groups - 1), 1};
  for (size_t i = 0; i < groups; ++i) {
    const double expected = total * shares[i] / parts;
    if (!(expected > 0))
      return {};
    const double distance = static_cast<double>(counts[i]) - expected;
    out.statistic += distance * distance / expected;
  }
  out.p = cdf(complement(boost::math::chi_squared(out.degrees), out.statistic));
  return out;
}

} // namespace assay::stats
