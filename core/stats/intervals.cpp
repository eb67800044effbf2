#include "core/stats/intervals.hpp"

#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace assay::stats {
namespace {

double upper_tail(double level) noexcept { return 1 - (1 - std::clamp(level, 0.001, 0.999999)) / 2; }

} // namespace

interval t_interval(double mean, double standard_error, uint64_t count, double level) noexcept {
  if (count < 2 || !(standard_error > 0))
    return {mean, mean};
  const boost::math::students_t distribution(static_cast<double>(count - 1));
  const double half = boost::math::quantile(distribution, upper_tail(level)) * standard_error;
  return {mean - half, mean + half};
}

interval wilson_interval(uint64_t successes, uint64_t trials, double level) noexcept {
  if (trials == 0)
    return {0, 1};
  const double z = boost::math::quantile(boost::math::normal(), upper_tail(level));
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(std::min(successes, trials)) / n;
  const double scale = 1 + z * z / n;
  const double centre = (p + z * z / (2 * n)) / scale;
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale;
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

double clustered_standard_error(std::span<const double> values, std::span<const uint64_t> clusters) {
  const size_t count = std::min(values.size(), clusters.size());
  if (count < 2)
    return 0;
  double mean = 0;
  for (size_t i = 0; i < count; ++i)
    mean += (values[i] - mean) / static_cast<double>(i + 1);
  std::unordered_map<uint64_t, double> residuals;
  for (size_t i = 0; i < count; ++i)
    residuals[clusters[i]] += values[i] - mean;
  double squares = 0;
  for (const auto& [cluster, residual] : residuals)
    squares += residual * residual;
  return std::sqrt(squares) / static_cast<double>(count);
}

double percentile(std::span<const double> sorted, double share) noexcept {
  if (sorted.empty())
    return 0;
  const double rank = std::clamp(share, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (rank - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

} // namespace assay::stats
