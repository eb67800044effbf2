#pragma once

#include "core/values/ids.hpp"
#include "core/values/money.hpp"
#include "core/values/prices.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// How a call finds its model among several.
enum class route_strategy : uint8_t {
  in_order = 1,          ///< The first one; the others stand by.
  round_robin = 2,       ///< Each in turn.
  weighted_random = 3,   ///< By weight.
  performance_based = 4, ///< The highest success rate per second of latency.
  least_loaded = 5,      ///< The smallest share of its limit in use.
  cost_optimized = 6,    ///< The cheapest.
  quality_first = 7,     ///< The best scored.
};

std::string_view to_string(route_strategy strategy) noexcept;
/// @returns nothing for an unknown name. The API's capital letters (`PERFORMANCE_BASED`) are understood.
std::optional<route_strategy> route_strategy_from_string(std::string_view name) noexcept;

/// One model that calls may go to, with what its calls need to know.
struct route_model {
  model_id model;
  provider_id provider;
  std::string wire_model;
  std::optional<token_prices> prices;
  uint32_t weight = 1;           ///< Share under weighted_random.
  std::optional<double> quality; ///< 0..1, as configured; for quality_first.

  bool operator==(const route_model&) const = default;
};

/// Several models that stand behind one name. Empty: the name is a model of its own.
struct call_route {
  route_strategy strategy = route_strategy::in_order;
  std::vector<route_model> models; ///< In the order of failover; the first is the main one.

  bool operator==(const call_route&) const = default;
};

/// Storage form. from_json throws nlohmann::json::exception on wrong types and unknown strategies.
void to_json(nlohmann::json& out, const call_route& route);
void from_json(const nlohmann::json& in, call_route& out);

} // namespace assay
