#pragma once

#include "actors/monitoring/monitor.hpp"

/// What the parts of the monitor share. Private to monitor*.cpp.
namespace assay::monitor_detail {

using self_pointer = monitor_actor::stateful_pointer<monitor_state>;
using config_ptr = std::shared_ptr<const monitor_config>;
using series_name = monitor_state::series_name;

monitor_state::model_counters& counters_of(monitor_state& state, const monitor_config& config,
                                           series_name name);

/// The view, made anew when it is too old: it adds up some hundred histograms a series.
const monitoring::monitor_view& fresh_view(self_pointer self, const monitor_config& config);

// -- monitor_tuning.cpp: retries, and what is changed at the providers

void count_retries(self_pointer self, const monitor_config& config, const call_observation& call);
retry_report report_retries(const monitor_state& state, const monitor_config& config);
/// A provider, or its successor, gets the tuning in force.
void meet(self_pointer self, const provider_met& news);
void on_checked(self_pointer self, const config_ptr& config, const provider_checked& news);
/// Applies recommendations and proposals, or takes them back when that is switched off.
void tune_when_due(self_pointer self, const config_ptr& config);
void add_fleet(const monitor_state& state, monitoring::monitor_view& out);
void add_fleet_gauges(const monitor_state& state, gauges& out);

// -- monitor_store.cpp

/// Has the store read on a worker thread; what it has comes back as statistics_recalled.
void begin_recall(self_pointer self, const config_ptr& config);
void on_recalled(self_pointer self, const config_ptr& config, const statistics_recalled& part);
/// Writes what has changed, unless a write is under way.
void save(self_pointer self, const config_ptr& config);
caf::result<monitoring::alert> acknowledge(self_pointer self, const config_ptr& config,
                                           const acknowledge_alert& wish);
caf::result<monitoring::thresholds> change_limits(self_pointer self, const config_ptr& config,
                                                  const change_thresholds& wish);
void clean_when_due(self_pointer self, const config_ptr& config);
void on_expired(self_pointer self, const config_ptr& config, expired_statistics_found& found);

/// Tells the event hub and the webhooks.
void tell(self_pointer self, const config_ptr& config, const std::vector<monitoring::alert>& changes);

} // namespace assay::monitor_detail
