#pragma once

#include "core/monitoring/model_view.hpp"
#include "core/monitoring/thresholds.hpp"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace assay::monitoring {

enum class alert_kind : uint8_t {
  response_time = 1,        ///< Above monitoring.response_time_threshold.
  error_rate = 2,           ///< Above monitoring.error_rate_threshold.
  cost_per_hour = 3,        ///< Above monitoring.cost_threshold_per_hour, all models together.
  target_response_time = 4, ///< A model's performance_targets are missed.
  target_success_rate = 5,
  fleet_change =
      6,      ///< Not an alarm: the farm has changed calls in flight or retries by itself. Always resolved.
  budget = 7, ///< More than the alert's share of a budget is spent.
};

std::string_view to_string(alert_kind kind) noexcept;

enum class alert_state : uint8_t { open = 1, acknowledged = 2, resolved = 3 };

std::string_view to_string(alert_state state) noexcept;
std::optional<alert_state> alert_state_from_string(std::string_view name) noexcept;

/// Something that somebody should look at.
struct alert {
  uint64_t id = 0;
  uint64_t seq = 0; ///< Rises with every change of any alert.
  alert_kind kind = alert_kind::error_rate;
  provider_id provider; ///< Both empty when it is about all models.
  model_id model;
  alert_state state = alert_state::open;
  double value = 0; ///< At the last change or, while open, the newest: seconds, share or dollars.
  double threshold = 0;
  window_span window = window_span::five_minutes;
  uint64_t samples = 0;
  std::string message; ///< For people.
  wall_time opened_at{};
  std::optional<wall_time> acknowledged_at;
  std::string acknowledged_by;
  std::optional<wall_time> resolved_at;
  std::string budget = {}; ///< Which one: `day`, `tenant/alice`, `model_day/gpt-4o`; empty for other kinds.

  bool operator==(const alert&) const = default;
};

/// The API's form, which events, webhooks and the store use too. from_json throws nlohmann::json::exception.
void to_json(nlohmann::json& out, const alert& value);
void from_json(const nlohmann::json& in, alert& out);

/// The same as JSON text. @returns nothing for a text of another form.
std::string to_text(const alert& value);
std::optional<alert> alert_from_text(std::string_view text);

/// One thing looked at now.
struct reading {
  alert_kind kind = alert_kind::error_rate;
  provider_id provider;
  model_id model;
  double value = 0;
  double threshold = 0;
  bool low_is_bad = false;
  window_span window = window_span::five_minutes;
  uint64_t samples = 0;
  bool known = true;       ///< False: too few calls to tell.
  std::string budget = {}; ///< As alert::budget.
};

/// @returns everything that thresholds and targets speak of, for the windows as they are.
/// @param overall The windows over all models.
std::vector<reading> readings_of(const thresholds& limits, const all_windows& overall,
                                 const std::vector<model_view>& models);

class alert_book;

/// Adds readings that leave the alerts of a kind as they are, while nothing is known of what they are about.
void keep_open(const alert_book& book, alert_kind kind, std::vector<reading>& readings);

/// Something that the farm has changed by itself.
struct fleet_change {
  provider_id provider;
  model_id model;      ///< Empty when it is about all models of the provider.
  std::string message; ///< For people.
  double value = 0;    ///< Afterwards.
  double before = 0;
  uint64_t samples = 0; ///< What it rests on.
};

/// When an alert opens and when it is over. A value has to be on the wrong side for `open_after`, and then on
/// the right side by more than `margin` of the threshold for `resolve_after`, so that a value that trembles
/// about its threshold makes one alert and not twenty.
struct alert_rules {
  seconds open_after{30};
  seconds resolve_after{60};
  double margin = 0.1;
  size_t most_open = 500;
  size_t most_resolved = 500; ///< Older ones are forgotten.
};

/// Every alert: open -> acknowledged -> resolved, or open -> resolved.
class alert_book {
public:
  explicit alert_book(alert_rules rules = {}) : rules_(rules) {}

  /// @returns the alerts that opened or were resolved. A thing that is not among @p now is over: its model or
  /// its threshold is gone.
  std::vector<alert> observe(const std::vector<reading>& readings, wall_time now);

  /// Repeating it changes nothing. @returns errc::not_found, or errc::conflict for one that is resolved.
  result<alert> acknowledge(uint64_t id, const std::string& who, wall_time now);

  /// Keeps a change for the record. @returns it as an alert that is resolved at once.
  alert note(fleet_change change, wall_time now);

  /// Puts back what the store has.
  void restore(const alert& stored);

  /// @returns those forgotten since the last time: to be erased from the store.
  std::vector<uint64_t> take_forgotten();

  /// @returns nothing for one that is not there, or forgotten.
  const alert* find(uint64_t id) const noexcept;

  /// Open and acknowledged ones first, newest first each.
  std::vector<alert> list() const;
  size_t count(alert_state state) const;

private:
  using subject = std::tuple<alert_kind, provider_id, model_id, std::string>;

  struct watch {
    std::optional<wall_time> bad_since;
    std::optional<wall_time> good_since;
    std::optional<uint64_t> alert;
  };

  std::optional<alert> look(const subject& what, const reading& seen, wall_time now);
  alert& open(const subject& what, const reading& seen, wall_time now);
  alert resolve(uint64_t id, wall_time now);
  void forget_old();

  alert_rules rules_;
  std::map<uint64_t, alert> alerts_; ///< By id.
  std::map<subject, watch> watches_;
  std::vector<uint64_t> forgotten_;
  uint64_t last_id_ = 0;
  uint64_t last_seq_ = 0;
};

} // namespace assay::monitoring
