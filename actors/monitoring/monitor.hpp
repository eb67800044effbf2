#pragma once

#include "actors/clocks.hpp"
#include "actors/fleet/model_directory.hpp"
#include "actors/monitoring/webhook_poster.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "core/control/retry_rules.hpp"
#include "core/monitoring/alerts.hpp"
#include "core/monitoring/auto_scaling.hpp"
#include "core/monitoring/call_windows.hpp"
#include "core/monitoring/monitor_view.hpp"
#include "core/monitoring/retry_view.hpp"
#include "core/stats/latency_histogram.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace assay {

/// What the monitor reads of the store. Called on worker threads.
struct statistics_reader {
  /// Hands over everything the store has since @p since, in parts of a few dozen documents, quarters of hours
  /// before minutes. The last part, which comes even after an error, is marked so.
  std::function<void(wall_time since, const std::function<void(statistics_recalled&&)>& part)> recall;
  /// @returns at most @p limit keys of quarters that began before @p before.
  std::function<result<std::vector<std::string>>(wall_time before, size_t limit)> find_expired;
};

struct monitor_config {
  /// Pairs of provider and model that are counted on their own; those that come later are counted together,
  /// since a request may name any model.
  size_t most_series = 1'000;
  monitoring::thresholds limits{}; ///< As configured; what was changed at run time is stored and goes first.
  monitoring::alert_rules alerts{};
  webhook_poster_config webhooks{};
  model_lookup find_model{};           ///< For the models' targets. Empty: none have any.
  std::shared_ptr<executor> workers{}; ///< Empty: nothing is read back.
  statistics_reader read{};
  std::chrono::days keep{90};                       ///< Quarters of hours; 0 keeps them.
  std::chrono::milliseconds interval{5'000};        ///< Between two looks at the windows, and two writes.
  std::chrono::milliseconds view_age{500};          ///< A view is made anew when it is older.
  std::chrono::milliseconds clean_after{3'600'000}; ///< Between two looks for expired statistics.
  control::retry_rules retries{};                   ///< As configured, for every provider.
  monitoring::retry_bounds retry_limits{};
  monitoring::scaling_rules scaling{};
  std::chrono::milliseconds tune_interval{30'000}; ///< Between two looks at what could be changed.
  seconds retry_cooldown{600};                     ///< Between two changes of one rule.
  wall_clock wall = wall_now;
  // Filled in by the root at each start.
  journal_actor journal{};
  event_hub_actor event_hub{};
};

/// @relates monitor
struct monitor_state {
  static inline const char* name = "monitor";

  struct model_counters {
    model_statistics totals; ///< Without the latencies, which are computed when asked for.
    stats::latency_histogram latency;
    monitoring::call_windows windows;
    monitoring::performance_targets targets;
  };

  /// A minute in the store, to be erased when the hour has passed it.
  struct stored_minute {
    int64_t index = 0;
    std::string key;
  };

  /// A provider that is there, and how its retries deviate from the configuration.
  struct tuned_provider {
    tuned_actor handle;
    std::map<errc, monitoring::changed_rule> rules;
  };

  /// So many failed tries of one kind halve their counts.
  static constexpr uint64_t evidence_kept = 20'000;

  using series_name = std::pair<provider_id, model_id>;

  /// What provider and model of the rest are called.
  static constexpr const char* rest = "other";

  std::map<series_name, model_counters> series;
  monitoring::call_windows overall;
  monitoring::thresholds limits;
  monitoring::alert_book alerts;
  std::optional<std::vector<budget_state>> budgets; ///< Nothing until the keeper has told of them.
  std::vector<monitoring::alert> unsaved_alerts;    ///< Changed, not yet in the store and not yet published.
  std::set<uint64_t> unstored_alerts;               ///< Told already, but a write of theirs has failed.
  std::deque<stored_minute> stored_minutes;
  std::set<std::string> known_minutes; ///< Their keys.
  monitoring::monitor_view view;       ///< Without the alerts.
  std::optional<std::chrono::steady_clock::time_point> view_made_at;
  std::chrono::steady_clock::time_point clean_at{};
  wall_time newest_wall{};
  monitoring::retry_tally retries;                       ///< Since the start.
  monitoring::retry_tally retry_evidence{evidence_kept}; ///< Under the rules in force, newer ones first.
  std::deque<monitoring::recent_retry> recent_retries;
  wall_time counting_since{};
  std::map<provider_id, tuned_provider> fleet;
  monitoring::scaled_models scaled;
  std::map<provider_id, monitoring::provider_health> health;
  std::map<provider_id, keys_told> keys; ///< As providers have told of them last.
  std::chrono::steady_clock::time_point tune_at{};
  webhook_poster_actor poster;
  children family;
  bool recalled = false; ///< The store has been read; nothing is written before.
  bool saving = false;
  bool save_failed = false; ///< The last write; the log says so once.
  size_t unreadable = 0;    ///< Stored documents that could not be understood.
};

/// Counts calls, failures by class, tokens, cost and latency per provider and model, in bounded memory: since
/// the start, and in windows that survive a restart. Judges the windows every few seconds and tells of
/// alerts: to the event hub and to webhooks, once the store has them. Counting never waits for the store.
/// Where it is allowed to, changes the providers' retry rules and calls in flight, within bounds.
monitor_actor::behavior_type monitor(monitor_actor::stateful_pointer<monitor_state> self,
                                     monitor_config config);

} // namespace assay
