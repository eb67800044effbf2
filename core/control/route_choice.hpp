#pragma once

#include "core/values/route.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace assay::control {

/// One model of a route at the moment of choosing. What is unknown counts as the mean of the others, so that
/// a newcomer is neither avoided nor preferred.
struct route_target {
  bool available = true; ///< Its breaker is not open and some key of it is good.
  uint32_t weight = 1;
  uint32_t in_use = 0;
  uint32_t limit = 0;                  ///< 0 when not known.
  std::optional<double> latency;       ///< Seconds, typical of late.
  std::optional<double> success_rate;  ///< 0..1, of late.
  std::optional<double> quality;       ///< 0..1, mean score.
  std::optional<double> cost_per_call; ///< Dollars, of a typical call.
};

/// @param turn counts the calls of the route, for round_robin. @param random01 uniform in [0, 1).
/// @returns all targets, the one to ask first in front and then in the order of failover: those available by
/// strategy, then the others in their written order.
std::vector<size_t> order_targets(route_strategy strategy, std::span<const route_target> targets,
                                  uint64_t turn, double random01);

// -- selection by task
// ---------------------------------------------------------------------------------------

/// What matters most to who asks for a model.
enum class selection_priority : uint8_t { balanced = 1, speed = 2, quality = 3, cost = 4 };

std::string_view to_string(selection_priority priority) noexcept;
std::optional<selection_priority> selection_priority_from_string(std::string_view name) noexcept;

/// How a candidate did in the four respects, each 0..1 and the better the higher, and in all.
struct selection_score {
  size_t target = 0;
  double speed = 0;
  double quality = 0;
  double cost = 0;
  double reliability = 0;
  double total = 0;
};

/// Ranks available targets for one purpose. Each respect is scaled between the worst and the best candidate;
/// the total weighs them 0.25 each when balanced, else 0.70 for the respect that matters and 0.10 for each
/// other one.
std::vector<selection_score> rank_targets(selection_priority priority, std::span<const route_target> targets);

} // namespace assay::control
