#pragma once

#include "core/monitoring/monitor_view.hpp"
#include "protocol/inspect.hpp"

#include <string>
#include <utility>
#include <vector>

/// How the monitor's values look to CAF's inspectors.
namespace assay::monitoring {

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, window_summary& x) {
  auto quality = field(x.quality);
  auto efficiency = field(x.cost_efficiency);
  return f(caf::meta::type_name("window_summary"), x.length, x.samples, x.failures, x.retries, x.external,
           x.errors, x.prompt_tokens, x.completion_tokens, x.cost, x.unpriced, x.measured, x.mean, x.p50,
           x.p95, x.p99, x.timed, x.phases, x.judged, quality, efficiency);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, all_windows& x) {
  return f(caf::meta::type_name("all_windows"), x.minute, x.five_minutes, x.hour, x.day);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, performance_targets& x) {
  auto response_time = field(x.response_time);
  auto success_rate = field(x.success_rate);
  return f(caf::meta::type_name("performance_targets"), response_time, success_rate);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, model_view& x) {
  return f(caf::meta::type_name("model_view"), x.provider, x.model, x.windows, x.targets);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, scaling_thresholds& x) {
  return f(caf::meta::type_name("scaling_thresholds"), x.response_time_high, x.error_rate_high,
           x.success_rate_low);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, thresholds& x) {
  auto cost = field(x.cost_threshold_per_hour);
  return f(caf::meta::type_name("thresholds"), x.monitoring_enabled, x.response_time_threshold,
           x.error_rate_threshold, cost, x.minimum_samples, x.scaling, x.auto_scaling_enabled,
           x.apply_retry_advice);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, alert& x) {
  auto acknowledged_at = field(x.acknowledged_at);
  auto resolved_at = field(x.resolved_at);
  return f(caf::meta::type_name("alert"), x.id, x.seq, x.kind, x.provider, x.model, x.state, x.value,
           x.threshold, x.window, x.samples, x.message, x.opened_at, acknowledged_at, x.acknowledged_by,
           resolved_at, x.budget);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, provider_health& x) {
  return f(caf::meta::type_name("provider_health"), x.provider, x.healthy, x.reason, x.took, x.checked_at);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, scaled_view& x) {
  return f(caf::meta::type_name("scaled_view"), x.provider, x.model, x.share, x.reason, x.changed_at);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, monitor_view& x) {
  return f(caf::meta::type_name("monitor_view"), x.at, x.complete, x.limits, x.overall, x.models, x.alerts,
           x.health, x.scaled);
}

} // namespace assay::monitoring

namespace assay {

/// A verdict on an answer that the monitor has counted already.
struct quality_observation {
  model_id model;
  provider_id provider;
  double quality = 0; ///< 0..1
  std::optional<money> cost;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, quality_observation& x) {
  auto cost = field(x.cost);
  return f(caf::meta::type_name("quality_observation"), x.model, x.provider, x.quality, cost);
}

struct observe_quality {
  std::vector<quality_observation> answers;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, observe_quality& x) {
  return f(caf::meta::type_name("observe_quality"), x.answers);
}

/// Asks for everything the monitor knows now.
struct read_monitor {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_monitor&) {
  return f(caf::meta::type_name("read_monitor"));
}

/// Answered by what holds from then on, once it is stored.
struct change_thresholds {
  std::string change; ///< JSON object text: the members to replace.
  user_id who;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, change_thresholds& x) {
  return f(caf::meta::type_name("change_thresholds"), x.change, x.who);
}

struct acknowledge_alert {
  uint64_t alert = 0;
  user_id who;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, acknowledge_alert& x) {
  return f(caf::meta::type_name("acknowledge_alert"), x.alert, x.who);
}

/// INTERNAL: a part of what the store has of the monitor, keys and texts.
struct statistics_recalled {
  std::vector<std::pair<std::string, std::string>> buckets; ///< Quarters of hours before minutes.
  std::vector<std::string> alerts;
  std::optional<std::string> thresholds;
  bool last = false;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, statistics_recalled& x) {
  auto limits = field(x.thresholds);
  auto error = field(x.error);
  return f(caf::meta::type_name("statistics_recalled"), x.buckets, x.alerts, limits, x.last, error);
}

/// INTERNAL: statistics that are older than they are kept.
struct expired_statistics_found {
  std::vector<std::string> keys;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, expired_statistics_found& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("expired_statistics_found"), x.keys, error);
}

/// Bodies to be posted to every webhook, in order.
struct post_webhooks {
  std::vector<shared_text> bodies; ///< JSON text.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, post_webhooks& x) {
  return f(caf::meta::type_name("post_webhooks"), x.bodies);
}

} // namespace assay
