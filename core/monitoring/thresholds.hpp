#pragma once

#include "core/values/errors.hpp"
#include "core/values/money.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace assay::monitoring {

/// From where on a model should get fewer calls at a time.
struct scaling_thresholds {
  double response_time_high = 8.0; ///< Seconds, mean.
  double error_rate_high = 0.05;   ///< 0..1
  double success_rate_low = 0.9;   ///< 0..1

  bool operator==(const scaling_thresholds&) const = default;
};

/// What the monitor watches for. Alerts have their own thresholds, above those of scaling.
struct thresholds {
  bool monitoring_enabled = true;               ///< Off: nothing is counted in windows and nothing alerts.
  double response_time_threshold = 30;          ///< Seconds, mean over five minutes.
  double error_rate_threshold = 0.1;            ///< 0..1, over five minutes.
  std::optional<money> cost_threshold_per_hour; ///< Of all models together, over an hour.
  uint32_t minimum_samples = 10; ///< Windows with fewer calls say nothing about time and errors.
  scaling_thresholds scaling;
  bool auto_scaling_enabled = false; ///< Recommendations about calls in flight are applied.
  bool apply_retry_advice = false;   ///< Proposals of better retry rules are applied.

  bool operator==(const thresholds&) const = default;
};

/// The API's form (GET and PUT /monitor/thresholds), which the store keeps too.
void to_json(nlohmann::json& out, const thresholds& value);

/// @returns @p base with what @p change names replaced; null for cost_threshold_per_hour removes it. Fails
/// with invalid_argument that names the field.
result<thresholds> changed(thresholds base, const nlohmann::json& change);

/// The same for text, as the store keeps it.
result<thresholds> changed(thresholds base, std::string_view change);

} // namespace assay::monitoring
