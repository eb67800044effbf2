#include "core/scoring/agreement.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace assay::scoring {

std::optional<double> cohens_kappa(std::span<const uint32_t> first, std::span<const uint32_t> second,
                                   agreement_weights weights) {
  if (first.empty() || first.size() != second.size())
    return std::nullopt;
  std::map<uint32_t, double> left;
  std::map<uint32_t, double> right;
  const auto weight = [&](uint32_t a, uint32_t b) {
    const double distance = std::abs(static_cast<double>(a) - static_cast<double>(b));
    if (weights == agreement_weights::nominal)
      return a == b ? 0.0 : 1.0;
    return weights == agreement_weights::linear ? distance : distance * distance;
  };
  double observed = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    ++left[first[i]];
    ++right[second[i]];
    observed += weight(first[i], second[i]);
  }
  double expected = 0;
  for (const auto& [a, count_a] : left)
    for (const auto& [b, count_b] : right)
      expected += weight(a, b) * count_a * count_b;
  if (expected == 0)
    return std::nullopt;
  return 1 - observed * static_cast<double>(first.size()) / expected;
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

std::optional<double> krippendorff_alpha(std::span<const std::vector<std::optional<double>>> ratings,
                                         alpha_metric metric) {
  std::map<double, size_t> places;
  for (const auto& item : ratings)
    for (const auto& rating : item)
      if (rating && std::isfinite(*rating))
        places.emplace(*rating, 0);
  std::vector<double> values;
  for (auto& [value, place] : places) {
    place = values.size();
    values.push_back(value);
  }
  const size_t count = values.size();
  if (count < 2)
    return std::nullopt;
  // How often two values meet in one item; each item weighs as much as it has ratings.
  std::map<std::pair<size_t, size_t>, double> meetings;
  std::vector<double> totals(count, 0);
  double pairable = 0;
  for (const auto& item : ratings) {
    std::map<size_t, double> here;
    double rated = 0;
    for (const auto& rating : item)
      if (rating && std::isfinite(*rating)) {
        ++here[places[*rating]];
        ++rated;
      }
    if (rated < 2)
      continue;
    pairable += rated;
    for (const auto& [a, count_a] : here) {
      totals[a] += count_a;
      for (const auto& [b, count_b] : here)
        meetings[{a, b}] += count_a * (count_b - (a == b ? 1 : 0)) / (rated - 1);
    }
  }
  double observed = 0;
  for (const auto& [pair, weight] : meetings)
    observed += weight * alpha_distance(values, totals, pair.first, pair.second, metric);
  double expected = 0;
  for (size_t a = 0; a < count; ++a)
    for (size_t b = 0; b < count; ++b)
      expected += totals[a] * totals[b] * alpha_distance(values, totals, a, b, metric);
  if (expected == 0)
    return std::nullopt;
  return 1 - (pairable - 1) * observed / expected;
}

} // namespace assay::scoring
