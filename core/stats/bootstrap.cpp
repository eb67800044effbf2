#include "core/stats/bootstrap.hpp"

#include "core/stats/random.hpp"

#include <boost/math/distributions/normal.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace assay::stats {
namespace {

double mean_of(std::span<const double> values) noexcept {
  double sum = 0;
  for (const double value : values)
    sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

bool all_equal(std::span<const double> values) noexcept {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values.front(); });
}

/// Ascending.
std::vector<double> resampled_means(std::span<const double> values, const bootstrap_options& options) {
  random_stream random(options.seed);
  const auto count = static_cast<uint32_t>(values.size());
  std::vector<double> means(std::max<uint32_t>(options.resamples, 1));
  for (double& mean : means) {
    double sum = 0;
    for (uint32_t i = 0; i < count; ++i)
      sum += values[random.below(count)];
    mean = sum / static_cast<double>(count);
  }
  std::sort(means.begin(), means.end());
  return means;
}

double tail_of(double level) noexcept { return (1 - std::clamp(level, 0.001, 0.999999)) / 2; }

} // namespace

interval bootstrap_percentile(std::span<const double> values, const bootstrap_options& options) {
  const double mean = mean_of(values);
  if (values.size() < 2 || all_equal(values))
    return {mean, mean};
  const auto means = resampled_means(values, options);
  const double tail = tail_of(options.level);
  return {percentile(means, tail), percentile(means, 1 - tail)};
}

interval bootstrap_bca(std::span<const double> values, const bootstrap_options& options) {
  const double mean = mean_of(values);
  if (values.size() < 2 || all_equal(values))
    return {mean, mean};
  const auto means = resampled_means(values, options);
  double squares = 0;
  double cubes = 0;
  for (const double value : values) {
    const double distance = value - mean;
    squares += distance * distance;
    cubes += distance * distance * distance;
  }
  const double acceleration = cubes / (6 * squares * std::sqrt(squares));
  const auto [low, high] = std::equal_range(means.begin(), means.end(), mean);
  const double below = static_cast<double>(low - means.begin()) + static_cast<double>(high - low) / 2;
  const auto count = static_cast<double>(means.size());
  const boost::math::normal normal;
  const double bias = boost::math::quantile(normal, std::clamp(below / count, 0.5 / count, 1 - 0.5 / count));
  const auto moved = [&](double share) {
    const double z = bias + boost::math::quantile(normal, share);
    const double scale = 1 - acceleration * z;
    return scale > 0 ? boost::math::cdf(normal, bias + z / scale) : (z > 0 ? 1.0 : 0.0);
  };
  const double tail = tail_of(options.level);
  return {percentile(means, moved(tail)), percentile(means, moved(1 - tail))};
}

} // namespace assay::stats
