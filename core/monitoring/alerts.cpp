#include "core/monitoring/alerts.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <set>

namespace assay::monitoring {

namespace {

using json = nlohmann::json;

constexpr std::array all_kinds{alert_kind::response_time,
                               alert_kind::error_rate,
                               alert_kind::cost_per_hour,
                               alert_kind::target_response_time,
                               alert_kind::target_success_rate,
                               alert_kind::fleet_change,
                               alert_kind::budget};

double in_seconds(microseconds time) { return std::chrono::duration<double>(time).count(); }

bool is_bad(const reading& seen) {
  return seen.low_is_bad ? seen.value < seen.threshold : seen.value > seen.threshold;
}

bool is_good(const reading& seen, double margin) {
  const auto limit = seen.threshold * (seen.low_is_bad ? 1 + margin : 1 - margin);
  // A rate cannot be better than 1, a time or cost not better than 0.
  return seen.low_is_bad ? seen.value >= std::min(limit, 1.0) : seen.value <= std::max(limit, 0.0);
}

std::string shown(alert_kind kind, double value) {
  char text[64];
  switch (kind) {
  case alert_kind::response_time:
  case alert_kind::target_response_time:
    std::snprintf(text, sizeof text, "%.2f s", value);
    break;
  case alert_kind::error_rate:
  case alert_kind::target_success_rate:
    std::snprintf(text, sizeof text, "%.1f %%", value * 100);
    break;
  case alert_kind::cost_per_hour:
  case alert_kind::budget:
    std::snprintf(text, sizeof text, "$%.2f", value);
    break;
  case alert_kind::fleet_change:
    std::snprintf(text, sizeof text, "%.2f", value);
    break;
  }
  return text;
}

std::string sentence(const reading& seen) {
  const auto& kind = seen.kind;
  if (kind == alert_kind::budget)
    return shown(kind, seen.value) + " of budget " + seen.budget + " is spent, above "
           + shown(kind, seen.threshold) + "; at its limit calls end";
  std::string what;
  switch (kind) {
  case alert_kind::response_time:
  case alert_kind::target_response_time:
    what = "mean response time of ";
    break;
  case alert_kind::error_rate:
    what = "error rate of ";
    break;
  case alert_kind::target_success_rate:
    what = "success rate of ";
    break;
  case alert_kind::cost_per_hour:
    what = "cost of ";
    break;
  case alert_kind::budget:
    break;
  case alert_kind::fleet_change:
    break; // Brings its own sentence.
  }
  what += seen.model.empty() ? "all models" : seen.model.value + " at " + seen.provider.value;
  const auto is_target = kind == alert_kind::target_response_time || kind == alert_kind::target_success_rate;
  return what + " was " + shown(kind, seen.value) + " over " + std::string(to_string(seen.window)) + ", "
         + (seen.low_is_bad ? "below" : "above") + (is_target ? " the target " : " ")
         + shown(kind, seen.threshold) + " (" + std::to_string(seen.samples) + " calls)";
}

json time_or_null(const std::optional<wall_time>& time) {
  return time ? json(to_rfc3339(*time)) : json(nullptr);
}

wall_time time_in(const json& value) {
  const auto time = from_rfc3339(value.get_ref<const std::string&>());
  if (!time)
    throw json::other_error::create(501, "not a time", &value);
  return *time;
}

template <class All, class Read>
auto word_in(const json& value, const All& all, Read name_of) {
  for (const auto one : all)
    if (name_of(one) == value.get_ref<const std::string&>())
      return one;
  throw json::other_error::create(501, "not a known word", &value);
}

} // namespace

std::string_view to_string(alert_kind kind) noexcept {
  switch (kind) {
  case alert_kind::response_time:
    return "response_time";
  case alert_kind::error_rate:
    return "error_rate";
  case alert_kind::cost_per_hour:
    return "cost_per_hour";
  case alert_kind::target_response_time:
    return "target_response_time";
  case alert_kind::target_success_rate:
    return "target_success_rate";
  case alert_kind::budget:
    return "budget";
  case alert_kind::fleet_change:
    return "fleet_change";
  }
  return "unknown";
}

std::string_view to_string(alert_state state) noexcept {
  switch (state) {
  case alert_state::open:
    return "open";
  case alert_state::acknowledged:
    return "acknowledged";
  case alert_state::resolved:
    return "resolved";
  }
  return "unknown";
}

std::optional<alert_state> alert_state_from_string(std::string_view name) noexcept {
  for (const auto state : {alert_state::open, alert_state::acknowledged, alert_state::resolved})
    if (to_string(state) == name)
      return state;
  return std::nullopt;
}

void to_json(json& out, const alert& value) {
  out = json{{"alert_id", std::to_string(value.id)},
             {"seq", value.seq},
             {"type", to_string(value.kind)},
             {"provider", value.provider.empty() ? json(nullptr) : json(value.provider.value)},
             {"model_id", value.model.empty() ? json(nullptr) : json(value.model.value)},
             {"budget", value.budget.empty() ? json(nullptr) : json(value.budget)},
             {"state", to_string(value.state)},
             {"value", value.value},
             {"threshold", value.threshold},
             {"window", to_string(value.window)},
             {"samples", value.samples},
             {"message", value.message},
             {"opened_at", to_rfc3339(value.opened_at)},
             {"acknowledged_at", time_or_null(value.acknowledged_at)},
             {"acknowledged_by", value.acknowledged_at ? json(value.acknowledged_by) : json(nullptr)},
             {"resolved_at", time_or_null(value.resolved_at)}};
}

void from_json(const json& in, alert& out) {
  const auto& id = in.at("alert_id").get_ref<const std::string&>();
  if (std::from_chars(id.data(), id.data() + id.size(), out.id).ec != std::errc{})
    throw json::other_error::create(501, "not the number of an alert", &in);
  in.at("seq").get_to(out.seq);
  out.kind = word_in(in.at("type"), all_kinds, [](alert_kind kind) { return to_string(kind); });
  if (const auto& provider = in.at("provider"); !provider.is_null())
    out.provider = provider_id{provider.get<std::string>()};
  if (const auto& model = in.at("model_id"); !model.is_null())
    out.model = model_id{model.get<std::string>()};
  // Alerts of earlier versions have none.
  if (const auto budget = in.find("budget"); budget != in.end() && !budget->is_null())
    budget->get_to(out.budget);
  constexpr std::array states{alert_state::open, alert_state::acknowledged, alert_state::resolved};
  out.state = word_in(in.at("state"), states, [](alert_state state) { return to_string(state); });
  in.at("value").get_to(out.value);
  in.at("threshold").get_to(out.threshold);
  out.window = word_in(in.at("window"), all_spans, [](window_span span) { return to_string(span); });
  in.at("samples").get_to(out.samples);
  in.at("message").get_to(out.message);
  out.opened_at = time_in(in.at("opened_at"));
  if (const auto& at = in.at("acknowledged_at"); !at.is_null()) {
    out.acknowledged_at = time_in(at);
    in.at("acknowledged_by").get_to(out.acknowledged_by);
  }
  if (const auto& at = in.at("resolved_at"); !at.is_null())
    out.resolved_at = time_in(at);
}

std::string to_text(const alert& value) {
  return json(value).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<alert> alert_from_text(std::string_view text) {
  const auto parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object())
    return std::nullopt;
  try {
    return parsed.get<alert>();
  } catch (const json::exception&) {
    // Written by another version, or damaged: the caller says so and goes on without it.
    return std::nullopt;
  }
}

// -- what is looked at -------------------------------------------------------------------------------------

std::vector<reading> readings_of(const thresholds& limits, const all_windows& overall,
                                 const std::vector<model_view>& models) {
  std::vector<reading> out;
  for (const auto& one : models) {
    const auto& seen = over(one.windows, window_span::five_minutes);
    const auto add = [&](alert_kind kind, double value, double threshold, bool low_is_bad) {
      const bool about_time = kind == alert_kind::response_time || kind == alert_kind::target_response_time;
      const auto samples = about_time ? seen.measured : seen.samples;
      // No calls at all is no trouble; a few are not enough to tell.
      const bool known = samples == 0 || samples >= limits.minimum_samples;
      const auto quiet = low_is_bad ? 1.0 : 0.0;
      out.push_back({kind, one.provider, one.model, samples == 0 ? quiet : value, threshold, low_is_bad,
                     window_span::five_minutes, samples, known});
    };
    add(alert_kind::response_time, in_seconds(seen.mean), limits.response_time_threshold, false);
    add(alert_kind::error_rate, seen.error_rate().value_or(0), limits.error_rate_threshold, false);
    if (one.targets.response_time)
      add(alert_kind::target_response_time, in_seconds(seen.mean), *one.targets.response_time, false);
    if (one.targets.success_rate)
      add(alert_kind::target_success_rate, seen.success_rate().value_or(1), *one.targets.success_rate, true);
  }
  if (limits.cost_threshold_per_hour) {
    const auto& seen = over(overall, window_span::hour);
    out.push_back({alert_kind::cost_per_hour,
                   {},
                   {},
                   to_dollars(seen.cost),
                   to_dollars(*limits.cost_threshold_per_hour),
                   false,
                   window_span::hour,
                   seen.samples,
                   true});
  }
  return out;
}

void keep_open(const alert_book& book, alert_kind kind, std::vector<reading>& readings) {
  for (const auto& one : book.list()) {
    if (one.kind != kind || one.state == alert_state::resolved)
      continue;
    reading seen;
    std::tie(seen.kind, seen.provider, seen.model, seen.budget) =
        std::tie(one.kind, one.provider, one.model, one.budget);
    seen.window = one.window;
    seen.known = false;
    readings.push_back(std::move(seen));
  }
}

// -- the book ----------------------------------------------------------------------------------------------

std::vector<alert> alert_book::observe(const std::vector<reading>& readings, wall_time now) {
  std::vector<alert> changes;
  std::set<subject> seen;
  for (const auto& one : readings) {
    const subject what{one.kind, one.provider, one.model, one.budget};
    seen.insert(what);
    if (auto change = look(what, one, now))
      changes.push_back(std::move(*change));
  }
  for (auto it = watches_.begin(); it != watches_.end();) {
    if (seen.contains(it->first)) {
      ++it;
      continue;
    }
    if (it->second.alert)
      changes.push_back(resolve(*it->second.alert, now));
    it = watches_.erase(it);
  }
  forget_old();
  return changes;
}

std::optional<alert> alert_book::look(const subject& what, const reading& seen, wall_time now) {
  const auto found = watches_.find(what);
  if (!seen.known || (found == watches_.end() && !is_bad(seen)))
    return std::nullopt;
  auto& watched = found == watches_.end() ? watches_[what] : found->second;
  if (watched.alert) {
    auto& present = alerts_.at(*watched.alert);
    present.samples = seen.samples;
    present.value = seen.value;
    present.threshold = seen.threshold;
    if (!is_good(seen, rules_.margin)) {
      watched.good_since.reset();
      return std::nullopt;
    }
    if (!watched.good_since || *watched.good_since > now)
      watched.good_since = now;
    if (now - *watched.good_since < rules_.resolve_after)
      return std::nullopt;
    const auto id = *watched.alert;
    watches_.erase(what);
    return resolve(id, now);
  }
  if (!is_bad(seen)) {
    watches_.erase(what);
    return std::nullopt;
  }
  if (!watched.bad_since || *watched.bad_since > now)
    watched.bad_since = now;
  const auto open_now = count(alert_state::open) + count(alert_state::acknowledged);
  if (now - *watched.bad_since < rules_.open_after || open_now >= rules_.most_open)
    return std::nullopt;
  auto& made = open(what, seen, now);
  watched.alert = made.id;
  return made;
}

alert& alert_book::open(const subject& what, const reading& seen, wall_time now) {
  alert made;
  made.id = ++last_id_;
  made.seq = ++last_seq_;
  std::tie(made.kind, made.provider, made.model, made.budget) = what;
  made.value = seen.value;
  made.threshold = seen.threshold;
  made.window = seen.window;
  made.samples = seen.samples;
  made.message = sentence(seen);
  made.opened_at = now;
  return alerts_[made.id] = std::move(made);
}

alert alert_book::resolve(uint64_t id, wall_time now) {
  auto& present = alerts_.at(id);
  present.state = alert_state::resolved;
  present.resolved_at = now;
  present.seq = ++last_seq_;
  return present;
}

alert alert_book::note(fleet_change change, wall_time now) {
  alert made;
  made.id = ++last_id_;
  made.seq = ++last_seq_;
  made.kind = alert_kind::fleet_change;
  made.provider = std::move(change.provider);
  made.model = std::move(change.model);
  made.state = alert_state::resolved;
  made.value = change.value;
  made.threshold = change.before;
  made.samples = change.samples;
  made.message = std::move(change.message);
  made.opened_at = now;
  made.resolved_at = now;
  alerts_[made.id] = made;
  forget_old();
  return made;
}

result<alert> alert_book::acknowledge(uint64_t id, const std::string& who, wall_time now) {
  const auto found = alerts_.find(id);
  if (found == alerts_.end())
    return fault{errc::not_found, "there is no alert " + std::to_string(id), "id",
                 "GET /monitor/alerts lists them"};
  auto& present = found->second;
  if (present.state == alert_state::resolved)
    return fault{errc::conflict, "the alert is resolved already", "id", {}};
  if (present.state == alert_state::acknowledged)
    return present;
  present.state = alert_state::acknowledged;
  present.acknowledged_at = now;
  present.acknowledged_by = who;
  present.seq = ++last_seq_;
  return present;
}

void alert_book::restore(const alert& stored) {
  last_id_ = std::max(last_id_, stored.id);
  last_seq_ = std::max(last_seq_, stored.seq);
  alerts_[stored.id] = stored;
  if (stored.state != alert_state::resolved)
    watches_[{stored.kind, stored.provider, stored.model, stored.budget}] = {stored.opened_at, std::nullopt,
                                                                             stored.id};
  forget_old();
}

void alert_book::forget_old() {
  auto resolved = count(alert_state::resolved);
  for (auto it = alerts_.begin(); it != alerts_.end() && resolved > rules_.most_resolved;) {
    if (it->second.state != alert_state::resolved) {
      ++it;
      continue;
    }
    forgotten_.push_back(it->first);
    it = alerts_.erase(it);
    --resolved;
  }
}

std::vector<uint64_t> alert_book::take_forgotten() { return std::exchange(forgotten_, {}); }

const alert* alert_book::find(uint64_t id) const noexcept {
  const auto found = alerts_.find(id);
  return found == alerts_.end() ? nullptr : &found->second;
}

std::vector<alert> alert_book::list() const {
  std::vector<alert> out;
  out.reserve(alerts_.size());
  for (const bool over : {false, true})
    for (auto it = alerts_.rbegin(); it != alerts_.rend(); ++it)
      if ((it->second.state == alert_state::resolved) == over)
        out.push_back(it->second);
  return out;
}

size_t alert_book::count(alert_state state) const {
  return static_cast<size_t>(
      std::ranges::count_if(alerts_, [&](const auto& one) { return one.second.state == state; }));
}

} // namespace assay::monitoring
