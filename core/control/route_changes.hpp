#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/route.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::control {

/// A route as the configuration has it.
struct named_route {
  model_id name;
  call_route route;
};

/// What is asked of a route at run time.
struct route_wish {
  std::optional<route_strategy> strategy; ///< Nothing leaves it as it is.
  /// By `provider/model`, or the model alone where that is clear; 1 to 1,000,000. Those not named stay.
  std::vector<std::pair<std::string, uint32_t>> weights;
  bool reset = false; ///< First of all back to the configuration.
};

/// How a route deviates from its configuration.
struct route_change {
  std::optional<route_strategy> strategy;
  std::map<std::string, uint32_t> weights; ///< By `provider/model`.
  std::string who;
  wall_time at{};

  bool empty() const noexcept { return !strategy && weights.empty(); }
  bool operator==(const route_change&) const = default;
};

/// `provider/model`, as records and answers name a target.
std::string target_name(const route_model& model);

/// What was changed of routes at run time, by their names. It outlives the process as a text.
class route_changes {
public:
  /// @returns the changes with @p wish in them. A deviation that is none any more is forgotten. Faults:
  /// not_found for an unknown route, invalid_argument for a target it does not have, an ambiguous one, a
  /// weight out of range, or a wish that asks for nothing.
  result<route_changes> with(const std::vector<named_route>& known, const model_id& route,
                             const route_wish& wish, const std::string& who, wall_time now) const;

  /// @returns nothing for a route that is as configured.
  const route_change* find(const model_id& route) const noexcept;

  /// @returns @p pinned with the changes to the route of that name in force.
  call_route applied(const model_id& route, call_route pinned) const;

  /// JSON, as the store keeps it.
  std::string to_text() const;
  /// Entries that make no sense to this version are left out. @returns nothing for a text that is no such
  /// JSON.
  static std::optional<route_changes> from_text(std::string_view text);

  bool operator==(const route_changes&) const = default;

private:
  std::map<model_id, route_change> changes_;
};

} // namespace assay::control
