#pragma once

#include "core/values/ids.hpp"
#include "core/values/route.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay::monitoring {

/// One model that calls may go to, with what the router has seen of it.
struct route_target_view {
  provider_id provider;
  model_id model;
  uint32_t configured_weight = 1;
  uint32_t weight = 1;                 ///< In force.
  std::optional<double> quality;       ///< 0..1, as configured.
  std::optional<double> latency;       ///< Seconds, of late; nothing before the first answer.
  std::optional<double> success_rate;  ///< 0..1, of late.
  std::optional<double> cost_per_call; ///< Dollars, of late.
  uint32_t in_use = 0;                 ///< Calls that are out there.
  bool available = true;
  std::string why; ///< Why its calls do not go out at the moment; empty while they do.

  bool operator==(const route_target_view&) const = default;
};

/// One name for several models.
struct route_view {
  model_id route;
  route_strategy configured = route_strategy::in_order;
  route_strategy strategy = route_strategy::in_order; ///< In force.
  bool changed = false;                               ///< At run time: it is not as configured.
  std::string changed_by;
  std::optional<wall_time> changed_at;
  uint32_t lanes = 0; ///< Runs that use it now.
  std::vector<route_target_view> targets;

  bool operator==(const route_view&) const = default;
};

/// Everything that the router knows of routes and models.
struct routing_view {
  std::vector<route_view> routes;         ///< In the order of the configuration.
  std::vector<route_target_view> targets; ///< Every model that a run has used since the start.

  bool operator==(const routing_view&) const = default;
};

// The API's forms. Times are seconds, costs dollars, rates 0..1; what is unknown is null.

void to_json(nlohmann::json& out, const route_target_view& value);
/// PUT /monitor/routing
void to_json(nlohmann::json& out, const route_view& value);
/// GET /monitor/routing
void to_json(nlohmann::json& out, const routing_view& value);

} // namespace assay::monitoring
