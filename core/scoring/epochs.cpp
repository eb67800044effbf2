#include "core/scoring/epochs.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

namespace assay::scoring {
namespace {

constexpr std::array<std::pair<std::string_view, epochs_reducer>, 5> plain_names{{
    {"mean", epochs_reducer::mean},
    {"median", epochs_reducer::median},
    {"mode", epochs_reducer::mode},
    {"majority", epochs_reducer::mode},
    {"max", epochs_reducer::max},
}};
constexpr std::array<std::pair<std::string_view, epochs_reducer>, 3> counted_names{{
    {"at_least_", epochs_reducer::at_least_k},
    {"pass_at_", epochs_reducer::pass_at_k},
    {"pass_hat_", epochs_reducer::pass_hat_k},
}};
constexpr uint32_t most_k = 10'000;

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double mode_of(std::span<const double> values) {
  double best = values[0];
  std::ptrdiff_t most = 0;
  for (const double value : values)
    if (const auto count = std::count(values.begin(), values.end(), value); count > most) {
      most = count;
      best = value;
    }
  return best;
}

/// @returns the chance that k things drawn of n are all among the c good ones, without large factorials.
double all_good(size_t n, size_t c, size_t k) {
  if (c < k)
    return 0;
  double chance = 1;
  for (size_t i = 0; i < k; ++i)
    chance *= static_cast<double>(c - i) / static_cast<double>(n - i);
  return chance;
}

} // namespace

std::optional<epochs_reduction> epochs_reduction_from_string(std::string_view text) {
  for (const auto& [name, how] : plain_names)
    if (name == text)
      return epochs_reduction{how};
  for (const auto& [name, how] : counted_names) {
    if (!text.starts_with(name))
      continue;
    const std::string_view number = text.substr(name.size());
    uint32_t k = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), k);
    if (error != std::errc{} || end != number.data() + number.size() || k == 0 || k > most_k)
      return std::nullopt;
    return epochs_reduction{how, k};
  }
  return std::nullopt;
}

std::string to_string(const epochs_reduction& reduction) {
  for (const auto& [name, how] : plain_names)
    if (how == reduction.how)
      return std::string(name);
  for (const auto& [name, how] : counted_names)
    if (how == reduction.how)
      return std::string(name) + std::to_string(reduction.k);
  return "mean";
}

std::optional<double> reduce_epochs(const epochs_reduction& reduction, std::span<const double> values) {
  if (values.empty())
    return std::nullopt;
  const size_t n = values.size();
  const auto right = static_cast<size_t>(std::count_if(
      values.begin(), values.end(), [&](double value) { return value >= reduction.right_from; }));
  const size_t k = reduction.k;
  switch (reduction.how) {
  case epochs_reducer::mean: {
    double sum = 0;
    for (const double value : values)
      sum += value;
    return sum / static_cast<double>(n);
  }
  case epochs_reducer::median:
    return median_of({values.begin(), values.end()});
  case epochs_reducer::mode:
    return mode_of(values);
  case epochs_reducer::max:
    return *std::max_element(values.begin(), values.end());
  case epochs_reducer::at_least_k:
    return right >= k ? 1 : 0;
  case epochs_reducer::pass_at_k:
    return n < k ? std::nullopt : std::optional(1 - all_good(n, n - right, k));
  case epochs_reducer::pass_hat_k:
    return n < k ? std::nullopt : std::optional(all_good(n, right, k));
  }
  return std::nullopt;
}

} // namespace assay::scoring
