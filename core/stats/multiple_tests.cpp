#include "core/stats/multiple_tests.hpp"

#include <algorithm>
#include <numeric>

namespace assay::stats {
namespace {

/// Places of @p p from the smallest to the largest.
std::vector<size_t> order_of(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  return order;
}

} // namespace

std::vector<double> holm(std::span<const double> p) {
  const auto order = order_of(p);
  std::vector<double> out(p.size());
  double largest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, p[order[i]] * static_cast<double>(order.size() - i)));
    out[order[i]] = largest;
  }
  return out;
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  const auto order = order_of(p);
  std::vector<double> out(p.size());
  double smallest = 1;
  for (size_t i = order.size(); i-- > 0;) {
    smallest =
        std::min(smallest, p[order[i]] * static_cast<double>(order.size()) / static_cast<double>(i + 1));
    out[order[i]] = smallest;
  }
  return out;
}

} // namespace assay::stats
