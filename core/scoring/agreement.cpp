#include "core/scoring/agreement.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace assay::scoring {

std::optional<double> cohens_kappa(std::span<const uint32_t> first, std::span<const uint32_t> second,
                                   agreement_weights weights) {
  if (first.size() != second.size())
    return std::nullopt;
  rating_pairs pairs;
  for (size_t i = 0; i < first.size(); ++i)
    ++pairs[{first[i], second[i]}];
  return cohens_kappa(pairs, weights);
}

std::optional<double> cohens_kappa(const rating_pairs& pairs, agreement_weights weights) {
  std::map<uint32_t, double> left;
  std::map<uint32_t, double> right;
  const auto weight = [&](uint32_t a, uint32_t b) {
    const double distance = std::abs(static_cast<double>(a) - static_cast<double>(b));
    if (weights == agreement_weights::nominal)
      return a == b ? 0.0 : 1.0;
    return weights == agreement_weights::linear ? distance : distance * distance;
  };
  double items = 0;
  double observed = 0;
  for (const auto& [pair, times] : pairs) {
    const auto count = static_cast<double>(times);
    items += count;
    left[pair.first] += count;
    right[pair.second] += count;
    observed += weight(pair.first, pair.second) * count;
  }
  double expected = 0;
  for (const auto& [a, count_a] : left)
    for (const auto& [b, count_b] : right)
      expected += weight(a, b) * count_a * count_b;
  if (expected == 0)
    return std::nullopt;
  return 1 - observed * items / expected;
}

std::optional<double> fleiss_kappa(std::span<const std::vector<uint32_t>> counts) {
  if (counts.empty())
    return std::nullopt;
  const size_t categories = counts[0].size();
  double raters = 0;
  for (const uint32_t count : counts[0])
    raters += count;
  if (raters < 2)
    return std::nullopt;
  std::vector<double> totals(categories, 0);
  double agreement = 0;
  for (const auto& row : counts) {
    if (row.size() != categories)
      return std::nullopt;
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < categories; ++i) {
      const double count = row[i];
      sum += count;
      squares += count * count;
      totals[i] += count;
    }
    if (sum != raters)
      return std::nullopt;
    agreement += (squares - raters) / (raters * (raters - 1));
  }
  const auto items = static_cast<double>(counts.size());
  agreement /= items;
  double chance = 0;
  for (const double total : totals)
    chance += (total / (items * raters)) * (total / (items * raters));
  if (chance >= 1)
    return std::nullopt;
  return (agreement - chance) / (1 - chance);
}

namespace {

/// Distance between the values number @p a and @p b of @p values, squared.
double alpha_distance(const std::vector<double>& values, const std::vector<double>& totals, size_t a,
                      size_t b, alpha_metric metric) {
  if (a == b)
    return 0;
  if (metric == alpha_metric::nominal)
    return 1;
  if (metric == alpha_metric::interval)
    return (values[a] - values[b]) * (values[a] - values[b]);
  double between = 0;
  for (size_t i = std::min(a, b); i <= std::max(a, b); ++i)
    between += totals[i];
  between -= (totals[a] + totals[b]) / 2;
  return between * between;
}

} // namespace

void alpha_tally::add(std::span<const std::optional<double>> item) {
  std::map<double, double> here;
  double rated = 0;
  for (const auto& rating : item)
    if (rating && std::isfinite(*rating)) {
      ++here[*rating];
      ++rated;
    }
  if (rated < 2)
    return;
  pairable_ += rated;
  for (const auto& [a, count_a] : here) {
    totals_[a] += count_a;
    for (const auto& [b, count_b] : here)
      meetings_[{a, b}] += count_a * (count_b - (a == b ? 1 : 0)) / (rated - 1);
  }
}

std::optional<double> alpha_tally::value(alpha_metric metric) const {
  std::map<double, size_t> places;
  std::vector<double> values;
  std::vector<double> totals;
  for (const auto& [value, total] : totals_) {
    places.emplace(value, values.size());
    values.push_back(value);
    totals.push_back(total);
  }
  double observed = 0;
  for (const auto& [pair, weight] : meetings_)
    observed +=
        weight * alpha_distance(values, totals, places.at(pair.first), places.at(pair.second), metric);
  double expected = 0;
  for (size_t a = 0; a < values.size(); ++a)
    for (size_t b = 0; b < values.size(); ++b)
      expected += totals[a] * totals[b] * alpha_distance(values, totals, a, b, metric);
  if (expected == 0)
    return std::nullopt;
  return 1 - (pairable_ - 1) * observed / expected;
}

std::optional<double> krippendorff_alpha(std::span<const std::vector<std::optional<double>>> ratings,
                                         alpha_metric metric) {
  alpha_tally tally;
  for (const auto& item : ratings)
    tally.add(item);
  return tally.value(metric);
}

} // namespace assay::scoring
