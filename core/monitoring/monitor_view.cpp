#include "core/monitoring/monitor_view.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::monitoring {

namespace {

using json = nlohmann::json;

double in_seconds(microseconds time) { return std::chrono::duration<double>(time).count(); }

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

/// A mean without samples is unknown, not zero.
json time_json(const window_summary& window, microseconds time) {
  return window.measured == 0 ? json(nullptr) : json(in_seconds(time));
}

std::string name_of(seconds length) {
  for (const auto span : all_spans)
    if (length_of(span) == length)
      return std::string(to_string(span));
  return std::to_string(length.count()) + "s";
}

json breakdown_json(const window_summary& window) {
  const auto& t = window.phases;
  return {{"samples", window.timed},
          {"queued", in_seconds(t.queued)},
          {"limiter", in_seconds(t.limiter)},
          {"connect", in_seconds(t.connect)},
          {"first_byte", in_seconds(t.first_byte)},
          {"stream", in_seconds(t.transfer)},
          {"local_lag", in_seconds(t.local_lag)}};
}

json targets_json(const window_summary& window, const performance_targets& targets) {
  json out = json::object();
  const bool known = window.samples > 0;
  if (targets.response_time)
    out["target_response_time"] = {{"target", *targets.response_time},
                                   {"met", window.measured > 0
                                               ? json(in_seconds(window.mean) <= *targets.response_time)
                                               : json(nullptr)}};
  if (targets.success_rate)
    out["target_success_rate"] = {
        {"target", *targets.success_rate},
        {"met", known ? json(*window.success_rate() >= *targets.success_rate) : json(nullptr)}};
  return out;
}

json windows_json(const all_windows& windows, const performance_targets& targets = {}) {
  json out = json::object();
  for (const auto span : all_spans)
    out[std::string(to_string(span))] = window_json(over(windows, span), targets);
  return out;
}

/// The three numbers of a summary, with what they rest on.
json summary_json(const window_summary& window) {
  return {{"response_time_avg", time_json(window, window.mean)},
          {"success_rate", or_null(window.success_rate())},
          {"quality_score", or_null(window.quality)},
          {"window", name_of(window.length)},
          {"samples", window.samples}};
}

json ranked_json(const model_score& score, size_t place, const monitor_view& view, window_span span) {
  const auto found = std::ranges::find_if(view.models, [&](const model_view& one) {
    return one.model == score.model && one.provider == score.provider;
  });
  json out{{"rank", place},
           {"model_id", score.model.value},
           {"provider", score.provider.value},
           {"score", score.score},
           {"score_parts",
            {{"success", score.success},
             {"quality", or_null(score.quality)},
             {"speed", or_null(score.speed)},
             {"price", or_null(score.price)}}}};
  out.update(window_json(over(found->windows, span), found->targets));
  return out;
}

json price_json(const model_view& one, window_span span, double total) {
  const auto& seen = over(one.windows, span);
  const auto dollars = to_dollars(seen.cost);
  const auto tokens = static_cast<double>(seen.prompt_tokens + seen.completion_tokens);
  return {
      {"model_id", one.model.value},
      {"provider", one.provider.value},
      {"window", to_string(span)},
      {"samples", seen.samples},
      {"cost", dollars},
      {"unpriced", seen.unpriced},
      {"share", total > 0 ? json(dollars / total) : json(nullptr)},
      {"cost_per_call", seen.samples > 0 ? json(dollars / static_cast<double>(seen.samples)) : json(nullptr)},
      {"cost_per_1k_tokens", tokens > 0 ? json(dollars / tokens * 1000) : json(nullptr)},
      {"prompt_tokens", seen.prompt_tokens},
      {"completion_tokens", seen.completion_tokens},
      {"quality_score", or_null(seen.quality)},
      {"quality_samples", seen.judged},
      {"cost_efficiency", or_null(seen.cost_efficiency)}};
}

json health_json(const monitor_view& view) {
  json out = json::array();
  for (const auto& one : view.health)
    out.push_back({{"provider", one.provider.value},
                   {"healthy", one.healthy},
                   {"reason", one.reason.empty() ? json(nullptr) : json(one.reason)},
                   {"response_time", in_seconds(one.took)},
                   {"checked_at", to_rfc3339(one.checked_at)}});
  return out;
}

json scaled_json(const monitor_view& view) {
  json out = json::array();
  for (const auto& one : view.scaled)
    out.push_back({{"provider", one.provider.value},
                   {"model_id", one.model.value},
                   {"share", one.share},
                   {"reason", one.reason},
                   {"changed_at", to_rfc3339(one.changed_at)}});
  return out;
}

json list_of(const std::vector<recommendation>& all, const model_id& model = {}) {
  json out = json::array();
  for (const auto& one : all)
    if (model.empty() || one.model == model)
      out.push_back(one);
  return out;
}

} // namespace

json window_json(const window_summary& window, const performance_targets& targets) {
  return {{"window", name_of(window.length)},
          {"window_seconds", window.length.count()},
          {"samples", window.samples},
          {"external", window.external},
          {"failures", window.failures},
          {"retries", window.retries},
          {"success_rate", or_null(window.success_rate())},
          {"error_rate", or_null(window.error_rate())},
          {"errors", window.errors},
          {"response_time_avg", time_json(window, window.mean)},
          {"response_time_p50", time_json(window, window.p50)},
          {"response_time_p95", time_json(window, window.p95)},
          {"response_time_p99", time_json(window, window.p99)},
          {"prompt_tokens", window.prompt_tokens},
          {"completion_tokens", window.completion_tokens},
          {"cost", to_dollars(window.cost)},
          {"unpriced", window.unpriced},
          {"cost_per_hour", window.dollars_per_hour()},
          {"quality_score", or_null(window.quality)},
          {"quality_samples", window.judged},
          {"cost_efficiency", or_null(window.cost_efficiency)},
          {"breakdown", breakdown_json(window)},
          {"targets", targets_json(window, targets)}};
}

json overview_json(const monitor_view& view) {
  size_t open = 0;
  size_t acknowledged = 0;
  for (const auto& one : view.alerts) {
    open += one.state == alert_state::open ? 1 : 0;
    acknowledged += one.state == alert_state::acknowledged ? 1 : 0;
  }
  json models = json::array();
  for (const auto& one : view.models) {
    json model{{"model_id", one.model.value}, {"provider", one.provider.value}};
    model.update(summary_json(over(one.windows, window_span::five_minutes)));
    models.push_back(std::move(model));
  }
  return {{"timestamp", to_rfc3339(view.at)},
          {"monitoring_enabled", view.limits.monitoring_enabled},
          {"complete", view.complete},
          {"summary", summary_json(over(view.overall, window_span::five_minutes))},
          {"windows", windows_json(view.overall)},
          {"models", std::move(models)},
          {"providers", health_json(view)},
          {"scaled", scaled_json(view)},
          {"alerts", {{"open", open}, {"acknowledged", acknowledged}}}};
}

json models_json(const monitor_view& view, window_span span) {
  json items = json::array();
  for (const auto& score : rank(view.models, span))
    items.push_back(ranked_json(score, items.size() + 1, view, span));
  return {{"timestamp", to_rfc3339(view.at)}, {"window", to_string(span)}, {"items", std::move(items)}};
}

json model_json(const monitor_view& view, const model_id& model, window_span span) {
  json providers = json::array();
  for (const auto& one : view.models) {
    if (one.model != model)
      continue;
    json series{{"provider", one.provider.value}};
    series.update(window_json(over(one.windows, span), one.targets));
    series["windows"] = windows_json(one.windows, one.targets);
    providers.push_back(std::move(series));
  }
  if (providers.empty())
    return nullptr;
  // Of one provider, as nearly always, the numbers stand at the top too.
  json out = providers.size() == 1 ? providers[0] : json::object();
  out["model_id"] = model.value;
  out["timestamp"] = to_rfc3339(view.at);
  out["providers"] = std::move(providers);
  out["recommendations"] = list_of(recommendations_for(view.limits, view.models), model);
  return out;
}

json costs_json(const monitor_view& view, window_span span) {
  const auto& all = over(view.overall, span);
  const auto total = to_dollars(all.cost);
  auto sorted = view.models;
  std::ranges::stable_sort(sorted, std::ranges::greater{},
                           [&](const model_view& one) { return over(one.windows, span).cost.nanodollars; });
  json items = json::array();
  for (const auto& one : sorted)
    if (over(one.windows, span).samples > 0)
      items.push_back(price_json(one, span, total));
  return {{"timestamp", to_rfc3339(view.at)},
          {"window", to_string(span)},
          {"samples", all.samples},
          {"total_cost", total},
          {"unpriced", all.unpriced},
          {"cost_per_hour", all.dollars_per_hour()},
          {"projected_cost_per_day", all.dollars_per_hour() * 24},
          {"cost_efficiency", or_null(all.cost_efficiency)},
          {"models", std::move(items)},
          {"suggestions", list_of(cost_suggestions(view.models, span, view.limits.minimum_samples))}};
}

json alerts_json(const monitor_view& view, std::optional<alert_state> state) {
  json items = json::array();
  for (const auto& one : view.alerts)
    if (!state || one.state == *state)
      items.push_back(one);
  const auto total = items.size();
  return {{"items", std::move(items)}, {"total", total}};
}

json recommendations_json(const monitor_view& view, const model_id& model) {
  return {{"timestamp", to_rfc3339(view.at)},
          {"window", to_string(window_span::five_minutes)},
          {"samples", over(view.overall, window_span::five_minutes).samples},
          {"auto_scaling_enabled", view.limits.auto_scaling_enabled},
          {"scaled", scaled_json(view)},
          {"items", list_of(recommendations_for(view.limits, view.models), model)}};
}

json report_json(const monitor_view& view) {
  return {{"generated_at", to_rfc3339(view.at)},
          {"overview", overview_json(view)},
          {"models", models_json(view, window_span::day)},
          {"costs", costs_json(view, window_span::day)},
          {"alerts", alerts_json(view, std::nullopt)},
          {"recommendations", recommendations_json(view, {})},
          {"thresholds", view.limits}};
}

} // namespace assay::monitoring
