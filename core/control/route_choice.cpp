#include "core/control/route_choice.hpp"

#include "core/values/text.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <utility>

namespace assay::control {

namespace {

constexpr std::array<std::pair<selection_priority, std::string_view>, 4> priorities{
    {{selection_priority::balanced, "balanced"},
     {selection_priority::speed, "speed"},
     {selection_priority::quality, "quality"},
     {selection_priority::cost, "cost"}}};

template <class Table, class Value>
std::string_view name_in(const Table& table, Value value) noexcept {
  for (const auto& [known, name] : table)
    if (known == value)
      return name;
  return "unknown";
}

using number = std::optional<double>;
using reading = std::function<number(const route_target&)>;

/// The readings of all targets, unknown ones replaced by the mean of the known.
std::vector<double> readings(std::span<const route_target> targets, const reading& read, double fallback) {
  double sum = 0;
  size_t known = 0;
  for (const auto& target : targets)
    if (const auto value = read(target)) {
      sum += *value;
      ++known;
    }
  const double mean = known > 0 ? sum / static_cast<double>(known) : fallback;
  std::vector<double> out;
  out.reserve(targets.size());
  for (const auto& target : targets)
    out.push_back(read(target).value_or(mean));
  return out;
}

constexpr double least_latency = 0.001;

std::vector<double> latencies(std::span<const route_target> targets) {
  return readings(
      targets, [](const route_target& x) { return x.latency; }, 1.0);
}
std::vector<double> success_rates(std::span<const route_target> targets) {
  return readings(
      targets, [](const route_target& x) { return x.success_rate; }, 1.0);
}
std::vector<double> costs(std::span<const route_target> targets) {
  return readings(
      targets, [](const route_target& x) { return x.cost_per_call; }, 0.0);
}
std::vector<double> qualities(std::span<const route_target> targets) {
  return readings(
      targets, [](const route_target& x) { return x.quality; }, 0.5);
}

double load(const route_target& target) noexcept {
  return target.limit > 0 ? static_cast<double>(target.in_use) / target.limit : target.in_use;
}

/// The higher the better.
std::vector<double> merits(route_strategy strategy, std::span<const route_target> targets) {
  std::vector<double> out(targets.size(), 0.0);
  switch (strategy) {
  case route_strategy::performance_based: {
    const auto latency = latencies(targets);
    const auto success = success_rates(targets);
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = success[i] / std::max(latency[i], least_latency);
    break;
  }
  case route_strategy::least_loaded:
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = -load(targets[i]);
    break;
  case route_strategy::cost_optimized: {
    const auto cost = costs(targets);
    std::ranges::transform(cost, out.begin(), std::negate{});
    break;
  }
  case route_strategy::quality_first:
    out = qualities(targets);
    break;
  case route_strategy::in_order:
  case route_strategy::round_robin:
  case route_strategy::weighted_random:
    break;
  }
  return out;
}

/// Puts the @p first of the available ones in front and keeps the others' order.
void bring_forward(std::vector<size_t>& order, size_t first) {
  const auto at = order.begin() + static_cast<std::ptrdiff_t>(first);
  std::rotate(order.begin(), at, at + 1);
}

size_t draw_by_weight(std::span<const route_target> targets, const std::vector<size_t>& order, size_t count,
                      double random01) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i)
    sum += std::max(targets[order[i]].weight, 1U);
  double mark = random01 * sum;
  for (size_t i = 0; i < count; ++i) {
    mark -= std::max(targets[order[i]].weight, 1U);
    if (mark < 0)
      return i;
  }
  return count - 1;
}

/// Scales to 0..1, 1 being the best; equal values are all 1.
std::vector<double> scaled(std::vector<double> values, bool low_is_good) {
  const auto [low, high] = std::ranges::minmax(values);
  for (auto& value : values) {
    const double place = high > low ? (value - low) / (high - low) : (low_is_good ? 0.0 : 1.0);
    value = low_is_good ? 1.0 - place : place;
  }
  return values;
}

} // namespace

std::string_view to_string(selection_priority priority) noexcept { return name_in(priorities, priority); }

std::optional<selection_priority> selection_priority_from_string(std::string_view name) noexcept {
  for (const auto& [priority, known] : priorities)
    if (same_word(name, known))
      return priority;
  return std::nullopt;
}

std::vector<size_t> order_targets(route_strategy strategy, std::span<const route_target> targets,
                                  uint64_t turn, double random01) {
  std::vector<size_t> order(targets.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto merit = merits(strategy, targets);
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    if (targets[a].available != targets[b].available)
      return targets[a].available;
    return targets[a].available && merit[a] > merit[b];
  });
  const auto count = static_cast<size_t>(std::ranges::count_if(targets, &route_target::available));
  if (count < 2)
    return order;
  if (strategy == route_strategy::round_robin)
    bring_forward(order, turn % count);
  else if (strategy == route_strategy::weighted_random)
    bring_forward(order, draw_by_weight(targets, order, count, random01));
  return order;
}

std::vector<selection_score> rank_targets(selection_priority priority,
                                          std::span<const route_target> targets) {
  if (targets.empty())
    return {};
  const auto speed = scaled(latencies(targets), true);
  const auto quality = scaled(qualities(targets), false);
  const auto cost = scaled(costs(targets), true);
  const auto reliability = scaled(success_rates(targets), false);
  constexpr double main_share = 0.70;
  constexpr double other_share = 0.10;
  constexpr double even_share = 0.25;
  const auto share = [&](selection_priority respect) {
    if (priority == selection_priority::balanced)
      return even_share;
    return priority == respect ? main_share : other_share;
  };
  const double reliability_share = priority == selection_priority::balanced ? even_share : other_share;
  std::vector<selection_score> out;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (!targets[i].available)
      continue;
    selection_score score{i, speed[i], quality[i], cost[i], reliability[i], 0};
    score.total = share(selection_priority::speed) * score.speed
                  + share(selection_priority::quality) * score.quality
                  + share(selection_priority::cost) * score.cost + reliability_share * score.reliability;
    out.push_back(score);
  }
  std::ranges::stable_sort(out, std::greater{}, &selection_score::total);
  return out;
}

} // namespace assay::control
