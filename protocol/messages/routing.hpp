#pragma once

#include "core/monitoring/route_view.hpp"
#include "protocol/inspect.hpp"

#include <string>
#include <utility>
#include <vector>

namespace assay::monitoring {

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, route_target_view& x) {
  auto quality = field(x.quality);
  auto latency = field(x.latency);
  auto success_rate = field(x.success_rate);
  auto cost = field(x.cost_per_call);
  return f(caf::meta::type_name("route_target_view"), x.provider, x.model, x.configured_weight, x.weight,
           quality, latency, success_rate, cost, x.in_use, x.available, x.why);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, route_view& x) {
  auto changed_at = field(x.changed_at);
  return f(caf::meta::type_name("route_view"), x.route, x.configured, x.strategy, x.changed, x.changed_by,
           changed_at, x.lanes, x.targets);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, routing_view& x) {
  return f(caf::meta::type_name("routing_view"), x.routes, x.targets);
}

} // namespace assay::monitoring

namespace assay {

/// Asks the router for its routes and what it has seen of their models.
struct read_routing {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_routing&) {
  return f(caf::meta::type_name("read_routing"));
}

/// Changes how calls find their model, for new calls of runs under way too. Answered by the route as it is
/// from then on, once that is stored.
struct change_routing {
  model_id route;
  std::optional<route_strategy> strategy;
  std::vector<std::pair<std::string, uint32_t>> weights; ///< By `provider/model` or model.
  bool reset = false;                                    ///< First of all back to the configuration.
  user_id who;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, change_routing& x) {
  auto strategy = field(x.strategy);
  return f(caf::meta::type_name("change_routing"), x.route, strategy, x.weights, x.reset, x.who);
}

} // namespace assay
