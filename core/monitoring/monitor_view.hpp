#pragma once

#include "core/monitoring/advice.hpp"
#include "core/monitoring/alerts.hpp"
#include "core/monitoring/model_view.hpp"
#include "core/monitoring/thresholds.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace assay::monitoring {

/// What the last question that costs nothing has brought to light about a provider.
struct provider_health {
  provider_id provider;
  bool healthy = true;
  std::string reason; ///< Why not.
  milliseconds took{0};
  wall_time checked_at{};

  bool operator==(const provider_health&) const = default;
};

/// A model that has fewer calls in flight than it is configured with.
struct scaled_view {
  provider_id provider;
  model_id model;
  double share = 1;   ///< Of what is configured.
  std::string reason; ///< Of the last change.
  wall_time changed_at{};

  bool operator==(const scaled_view&) const = default;
};

/// Everything the monitor knows at one moment.
struct monitor_view {
  wall_time at{};
  bool complete = true; ///< False while what the store has is still being read.
  thresholds limits;
  all_windows overall; ///< Over all models.
  std::vector<model_view> models;
  std::vector<alert> alerts;           ///< As alert_book::list() gives them.
  std::vector<provider_health> health; ///< Of providers that were asked while they were idle.
  std::vector<scaled_view> scaled;
};

// The API's forms, one place for each shape. Times are seconds, costs dollars, rates 0..1; what is unknown is
// null. Every number stands beside its window and its count of samples.

/// @param targets Adds, for each target, whether the window met it: null without samples.
nlohmann::json window_json(const window_summary& window, const performance_targets& targets = {});
/// GET /monitor/overview
nlohmann::json overview_json(const monitor_view& view);
/// GET /monitor/models: ranked over @p span.
nlohmann::json models_json(const monitor_view& view, window_span span);
/// GET /monitor/models/{id}: the model's series, one for each provider, over @p span and every window.
/// @returns null when there is no such model.
nlohmann::json model_json(const monitor_view& view, const model_id& model, window_span span);
/// GET /monitor/costs
nlohmann::json costs_json(const monitor_view& view, window_span span);
/// GET /monitor/alerts. @param state Only these; nothing for all.
nlohmann::json alerts_json(const monitor_view& view, std::optional<alert_state> state);
/// GET /monitor/recommendations. @param model Only about this one; empty for all.
nlohmann::json recommendations_json(const monitor_view& view, const model_id& model);

/// GET /monitor/report: all of the above.
nlohmann::json report_json(const monitor_view& view);
std::string report_markdown(const monitor_view& view);
/// A page of its own: no scripts, nothing from elsewhere.
std::string report_html(const monitor_view& view);

} // namespace assay::monitoring
