#include "cli/monitor_screen.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr std::array spans{"1m", "5m", "1h", "24h"};
constexpr size_t most_lines = 8; ///< Of alerts and of recommendations.

const json& at(const json& from, const char* name) {
  static const json none;
  const auto found = from.is_object() ? from.find(name) : from.end();
  return from.is_object() && found != from.end() ? *found : none;
}

std::string text(const json& from, const char* name) {
  const auto& value = at(from, name);
  return value.is_string() ? on_one_line(value.get<std::string>()) : "-";
}

std::optional<double> number(const json& from, const char* name) {
  const auto& value = at(from, name);
  return value.is_number() ? std::optional{value.get<double>()} : std::nullopt;
}

std::string count(const json& from, const char* name) {
  const auto value = number(from, name);
  return value && *value >= 0 ? show_count(static_cast<uint64_t>(*value)) : "-";
}

std::string percent(const json& from, const char* name) {
  const auto value = number(from, name);
  return value ? show_number(*value * 100, 1) + " %" : "-";
}

std::string time_in(const json& from, const char* name) {
  const auto value = number(from, name);
  return value ? show_number(value, 2) + " s" : "-";
}

std::string dollars(const json& from, const char* name) {
  const auto value = number(from, name);
  return value ? "$" + show_number(value, 4) : "-";
}

std::string tokens(const json& from) {
  return show_count(static_cast<uint64_t>(number(from, "prompt_tokens").value_or(0)
                                          + number(from, "completion_tokens").value_or(0)));
}

table windows_table(const json& windows) {
  table out({{"window"},
             {"calls", align::right},
             {"success", align::right},
             {"mean", align::right},
             {"p50", align::right},
             {"p95", align::right},
             {"p99", align::right},
             {"tokens", align::right},
             {"cost", align::right},
             {"$/h", align::right},
             {"quality", align::right}});
  for (const auto* span : spans) {
    const auto& one = at(windows, span);
    out.add({span, count(one, "samples"), percent(one, "success_rate"), time_in(one, "response_time_avg"),
             time_in(one, "response_time_p50"), time_in(one, "response_time_p95"),
             time_in(one, "response_time_p99"), tokens(one), dollars(one, "cost"),
             dollars(one, "cost_per_hour"), show_number(number(one, "quality_score"), 3)});
  }
  return out;
}

table models_table(const json& items) {
  table out({{"model"},
             {"provider"},
             {"score", align::right},
             {"calls", align::right},
             {"success", align::right},
             {"mean", align::right},
             {"p95", align::right},
             {"cost", align::right},
             {"quality", align::right},
             {"points/$", align::right}});
  for (const auto& one : items)
    out.add({text(one, "model_id"), text(one, "provider"), show_number(number(one, "score"), 1),
             count(one, "samples"), percent(one, "success_rate"), time_in(one, "response_time_avg"),
             time_in(one, "response_time_p95"), dollars(one, "cost"),
             show_number(number(one, "quality_score"), 3), show_number(number(one, "cost_efficiency"), 0)});
  return out;
}

std::string alert_lines(const json& items, const terminal& where) {
  std::string out;
  size_t shown = 0;
  for (const auto& one : items) {
    if (text(one, "state") == "resolved")
      continue;
    if (++shown > most_lines)
      continue;
    const auto open = text(one, "state") == "open";
    out += paint(where, open ? colour::red : colour::yellow,
                 "  #" + text(one, "alert_id") + " " + text(one, "state") + "  ")
           + text(one, "message") + "\n";
  }
  if (shown > most_lines)
    out += "  and " + std::to_string(shown - most_lines) + " more\n";
  return out;
}

std::string advice_lines(const json& items) {
  std::string out;
  size_t shown = 0;
  for (const auto& one : items)
    if (++shown <= most_lines)
      out += "  " + text(one, "action") + " " + text(one, "model_id") + ": " + text(one, "reason") + "\n";
  return out;
}

std::string health_lines(const json& providers, const terminal& where) {
  std::string out;
  for (const auto& one : providers)
    if (at(one, "healthy") == json(false))
      out += paint(where, colour::red, "  " + text(one, "provider")) + "  " + text(one, "reason") + "\n";
  return out;
}

std::string scaled_lines(const json& items) {
  std::string out;
  for (const auto& one : items)
    out += "  " + text(one, "model_id") + " at " + text(one, "provider") + "  " + percent(one, "share")
           + " of its calls in flight: " + text(one, "reason") + "\n";
  return out;
}

std::string retry_lines(const json& retries) {
  std::string out;
  for (const auto& one : at(retries, "providers"))
    if (number(one, "answered_after_retry").value_or(0) + number(one, "given_up").value_or(0) > 0)
      out += "  " + text(one, "provider") + "  " + count(one, "answered_after_retry")
             + " answered after a retry, " + count(one, "given_up") + " given up\n";
  size_t shown = 0;
  for (const auto& one : at(retries, "advice"))
    if (++shown <= most_lines)
      out += "  " + text(one, "action") + " after " + text(one, "error") + " at " + text(one, "provider")
             + ": " + text(one, "reason") + "\n";
  return out;
}

std::string within(const std::string& lines, size_t columns) {
  if (columns == 0)
    return lines;
  std::string out;
  size_t begin = 0;
  for (auto end = lines.find('\n'); end != std::string::npos; end = lines.find('\n', begin)) {
    out += cut_to_width(std::string_view(lines).substr(begin, end - begin), columns) + "\n";
    begin = end + 1;
  }
  return out;
}

/// Keys that were used today, or are not good.
table keys_table(const json& items) {
  table out({{"key"},
             {"state"},
             {"tries today", align::right},
             {"tokens", align::right},
             {"cost", align::right},
             {"next try"},
             {"why"}});
  if (!items.is_array())
    return out;
  for (const auto& one : items) {
    const auto& today = at(one, "today");
    if (text(one, "state") == "good" && number(today, "requests").value_or(0) <= 0)
      continue;
    out.add({text(one, "provider") + "/" + text(one, "name"), text(one, "state"), count(today, "requests"),
             count(today, "tokens"), dollars(today, "cost"), text(one, "next_try"), text(one, "reason")});
  }
  return out;
}

} // namespace

std::string render_monitor(const monitor_answers& seen, const terminal& where) {
  std::string out = paint(where, colour::bold, "assay monitor  " + text(seen.overview, "timestamp")) + "\n";
  if (at(seen.overview, "monitoring_enabled") == json(false))
    out += paint(where, colour::yellow, "monitoring is switched off: nothing is counted") + "\n";
  if (at(seen.overview, "complete") == json(false))
    out += "earlier statistics are still being read\n";
  out += "\n" + windows_table(at(seen.overview, "windows")).render(where, where.columns);
  const auto models = models_table(at(seen.models, "items"));
  out += "\n" + paint(where, colour::bold, "models over " + text(seen.models, "window")) + "\n";
  out += models.empty() ? "  no calls\n" : models.render(where, where.columns);
  if (const auto alerts = alert_lines(at(seen.alerts, "items"), where); !alerts.empty())
    out += "\n" + paint(where, colour::bold, "alerts") + "\n" + within(alerts, where.columns);
  if (const auto advice = advice_lines(at(seen.recommendations, "items")); !advice.empty())
    out += "\n" + paint(where, colour::bold, "recommendations (5m)") + "\n" + within(advice, where.columns);
  if (const auto sick = health_lines(at(seen.overview, "providers"), where); !sick.empty())
    out += "\n" + paint(where, colour::bold, "providers that do not answer") + "\n"
           + within(sick, where.columns);
  if (seen.keys != nullptr)
    if (const auto keys = keys_table(at(*seen.keys, "items")); !keys.empty())
      out += "\n" + paint(where, colour::bold, "keys") + "\n" + keys.render(where, where.columns);
  if (const auto scaled = scaled_lines(at(seen.overview, "scaled")); !scaled.empty())
    out += "\n" + paint(where, colour::bold, "scaled") + "\n" + within(scaled, where.columns);
  if (const auto retries = retry_lines(seen.retries); !retries.empty())
    out += "\n" + paint(where, colour::bold, "retries") + "\n" + within(retries, where.columns);
  return out;
}

std::string render_monitor_line(const monitor_answers& seen) {
  const auto& minute = at(at(seen.overview, "windows"), "1m");
  const auto& hour = at(at(seen.overview, "windows"), "1h");
  const auto& alerts = at(seen.overview, "alerts");
  return text(seen.overview, "timestamp") + " calls_1m=" + count(minute, "samples") + " success_1m="
         + percent(minute, "success_rate") + " p95_1m=" + time_in(minute, "response_time_p95")
         + " cost_1h=" + dollars(hour, "cost") + " alerts_open=" + count(alerts, "open");
}

} // namespace assay::cli
