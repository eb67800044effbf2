#include "core/stats/pass_at_k.hpp"

#include "core/stats/running_stats.hpp"

namespace assay::stats {
namespace {

bool makes_sense(const repeated_trials& sample, uint32_t k) noexcept {
  return k > 0 && k <= sample.trials && sample.successes <= sample.trials;
}

} // namespace

std::optional<double> pass_at_k(const repeated_trials& sample, uint32_t k) noexcept {
  if (!makes_sense(sample, k))
    return std::nullopt;
  const uint32_t wrong = sample.trials - sample.successes;
  if (wrong < k)
    return 1.0;
  double none = 1;
  for (uint32_t i = wrong + 1; i <= sample.trials; ++i)
    none *= 1 - static_cast<double>(k) / static_cast<double>(i);
  return 1 - none;
}

std::optional<double> pass_all_k(const repeated_trials& sample, uint32_t k) noexcept {
  if (!makes_sense(sample, k))
    return std::nullopt;
  if (sample.successes < k)
    return 0.0;
  double all = 1;
  for (uint32_t i = 0; i < k; ++i)
    all *= static_cast<double>(sample.successes - i) / static_cast<double>(sample.trials - i);
  return all;
}

pass_estimate estimate_pass_at_k(std::span<const repeated_trials> samples, uint32_t k) noexcept {
  running_stats values;
  pass_estimate out;
  for (const auto& sample : samples) {
    if (const auto value = pass_at_k(sample, k))
      values.add(*value);
    else
      ++out.left_out;
  }
  out.mean = values.mean();
  out.standard_error = values.standard_error();
  out.samples = values.count();
  return out;
}

} // namespace assay::stats
