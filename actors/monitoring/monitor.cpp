#include "actors/monitoring/monitor_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay {

namespace monitor_detail {

namespace {

using monitoring::all_spans;
using monitoring::window_span;

/// Stored keys hold both names and are bounded.
constexpr size_t longest_names = 400;

monitoring::performance_targets targets_of(const monitor_config& config, const model_id& model) {
  monitoring::performance_targets out;
  if (!config.find_model)
    return out;
  // Models that are not configured have no targets.
  if (const auto profile = config.find_model(model)) {
    if (profile->target_response_time)
      out.response_time = static_cast<double>(profile->target_response_time->count());
    out.success_rate = profile->target_success_rate;
  }
  return out;
}

// -- counting ----------------------------------------------------------------------------------------------

monitoring::counted_call counted(const call_observation& call) {
  monitoring::counted_call out;
  out.error = call.error;
  out.duration = call.duration;
  out.timing = call.timing;
  out.usage = call.usage;
  out.cost = call.cost;
  out.quality = call.quality;
  out.tries = call.tries;
  out.external = call.external;
  out.batched = call.batched;
  return out;
}

void count_total(monitor_state::model_counters& counters, const call_observation& call) {
  auto& totals = counters.totals;
  ++totals.calls;
  totals.retries += call.tries > 0 ? call.tries - 1U : 0U;
  if (call.error) {
    totals.failures += blames_caller(*call.error) ? 0 : 1;
    ++totals.errors[std::string{to_string(*call.error)}];
  }
  totals.prompt_tokens += call.usage.prompt_tokens;
  totals.completion_tokens += call.usage.completion_tokens;
  if (call.cost)
    totals.cost += *call.cost;
  else if (!call.error)
    totals.cost_known = false;
  if (call.batched)
    ++totals.batched;
  else
    counters.latency.record(call.duration);
}

void count_all(self_pointer self, const config_ptr& config, const std::vector<call_observation>& calls) {
  auto& state = self->state;
  const auto now = config->wall();
  for (const auto& call : calls) {
    auto& counters = counters_of(state, *config, {call.provider, call.model});
    // Not the farm's own calls: the totals are what this process did.
    if (!call.external)
      count_total(counters, call);
    count_retries(self, *config, call);
    if (!state.limits.monitoring_enabled)
      continue;
    const auto at = std::min(call.at.value_or(now), now);
    const auto what = counted(call);
    counters.windows.add(at, what);
    state.overall.add(at, what);
    if (call.external)
      state.view_made_at.reset();
  }
}

void count_quality(self_pointer self, const config_ptr& config, const observe_quality& seen) {
  if (!self->state.limits.monitoring_enabled)
    return;
  const auto now = config->wall();
  for (const auto& one : seen.answers) {
    counters_of(self->state, *config, {one.provider, one.model})
        .windows.add_quality(now, one.quality, one.cost);
    self->state.overall.add_quality(now, one.quality, one.cost);
  }
}

// -- looking -----------------------------------------------------------------------------------------------

model_statistics summarise(const monitor_state::model_counters& counters) {
  const auto as_ms = [](microseconds value) { return static_cast<double>(value.count()) / 1000.0; };
  auto totals = counters.totals;
  totals.latency_mean_ms = as_ms(counters.latency.mean());
  totals.latency_p50_ms = as_ms(counters.latency.percentile(0.50));
  totals.latency_p95_ms = as_ms(counters.latency.percentile(0.95));
  totals.latency_p99_ms = as_ms(counters.latency.percentile(0.99));
  return totals;
}

statistics all_totals(const monitor_state& state) {
  statistics out;
  // What is known only from the store or from others has no totals here.
  for (const auto& [name, counters] : state.series)
    if (counters.totals.calls > 0)
      out.models.push_back(summarise(counters));
  return out;
}

monitoring::all_windows all_windows_of(const monitoring::call_windows& windows, wall_time now) {
  return {windows.summary(window_span::minute, now), windows.summary(window_span::five_minutes, now),
          windows.summary(window_span::hour, now), windows.summary(window_span::day, now)};
}

monitoring::monitor_view whole_view(self_pointer self, const monitor_config& config) {
  auto out = fresh_view(self, config);
  out.complete = self->state.recalled;
  out.limits = self->state.limits;
  out.alerts = self->state.alerts.list();
  add_fleet(self->state, out);
  return out;
}

gauges own_gauges(self_pointer self, const monitor_config& config) {
  gauges out;
  const auto& view = fresh_view(self, config);
  for (const auto& one : view.models)
    for (const auto span : all_spans) {
      const auto& seen = monitoring::over(one.windows, span);
      const std::vector<std::string> labels{one.provider.value, one.model.value,
                                            std::string(monitoring::to_string(span))};
      const auto add = [&](metric family, double value) { out.values.push_back({family, labels, value}); };
      add(metric::window_calls, static_cast<double>(seen.samples));
      add(metric::window_failures, static_cast<double>(seen.failures));
      add(metric::window_tokens, static_cast<double>(seen.prompt_tokens + seen.completion_tokens));
      add(metric::window_cost_dollars, to_dollars(seen.cost));
      if (seen.quality)
        add(metric::window_quality, *seen.quality);
      if (seen.measured == 0)
        continue;
      for (const auto& [quantile, time] :
           {std::pair{"0.5", seen.p50}, std::pair{"0.95", seen.p95}, std::pair{"0.99", seen.p99}}) {
        auto with_quantile = labels;
        with_quantile.emplace_back(quantile);
        out.values.push_back({metric::window_duration_seconds, std::move(with_quantile),
                              std::chrono::duration<double>(time).count()});
      }
    }
  add_fleet_gauges(self->state, out);
  for (const auto state : {monitoring::alert_state::open, monitoring::alert_state::acknowledged})
    out.values.push_back({metric::alerts,
                          {std::string(monitoring::to_string(state))},
                          static_cast<double>(self->state.alerts.count(state))});
  return out;
}

// -- judging -----------------------------------------------------------------------------------------------

void add_budgets(const std::vector<budget_state>& budgets, std::vector<monitoring::reading>& out) {
  for (const auto& one : budgets) {
    monitoring::reading seen;
    seen.kind = monitoring::alert_kind::budget;
    seen.budget = one.name.empty() ? one.scope : one.scope + "/" + one.name;
    seen.value = to_dollars(one.spent);
    seen.threshold = to_dollars(one.alert_above);
    seen.window = window_span::day;
    out.push_back(std::move(seen));
  }
}

void judge(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  const auto now = config->wall();
  std::vector<monitoring::reading> readings;
  if (state.limits.monitoring_enabled) {
    monitoring::all_windows overall;
    overall.hour = state.overall.summary(window_span::hour, now);
    std::vector<monitoring::model_view> models;
    for (const auto& [name, counters] : state.series) {
      monitoring::model_view one{name.first, name.second, {}, counters.targets};
      one.windows.five_minutes = counters.windows.summary(window_span::five_minutes, now);
      models.push_back(std::move(one));
    }
    readings = monitoring::readings_of(state.limits, overall, models);
    if (state.budgets)
      add_budgets(*state.budgets, readings);
    else // Alerts of before a restart stay until the keeper speaks.
      monitoring::keep_open(state.alerts, monitoring::alert_kind::budget, readings);
  }
  for (auto& change : state.alerts.observe(readings, now)) {
    spdlog::warn("monitor alert={} state={} message=\"{}\"", change.id, monitoring::to_string(change.state),
                 change.message);
    state.unsaved_alerts.push_back(std::move(change));
  }
}

void keep_poster(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (config->webhooks.urls.empty() || state.poster)
    return;
  state.poster = self->spawn(webhook_poster, config->webhooks);
  state.family.adopt(self, state.poster);
}

void on_tick(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  const auto now = config->wall();
  if (now < state.newest_wall) {
    for (auto& [name, counters] : state.series)
      counters.windows.drop_after(now);
    state.overall.drop_after(now);
  }
  state.newest_wall = now;
  keep_poster(self, config);
  if (state.recalled)
    judge(self, config);
  tune_when_due(self, config);
  save(self, config);
  clean_when_due(self, config);
  self->delayed_send(self, config->interval, tick{});
}

} // namespace

const monitoring::monitor_view& fresh_view(self_pointer self, const monitor_config& config) {
  auto& state = self->state;
  const auto now = self->clock().now();
  if (state.view_made_at && now - *state.view_made_at < config.view_age)
    return state.view;
  state.view_made_at = now;
  state.view.at = config.wall();
  state.view.overall = all_windows_of(state.overall, state.view.at);
  state.view.models.clear();
  for (const auto& [name, counters] : state.series) {
    auto windows = all_windows_of(counters.windows, state.view.at);
    if (windows.day.samples > 0 || windows.day.judged > 0)
      state.view.models.push_back({name.first, name.second, std::move(windows), counters.targets});
  }
  return state.view;
}

monitor_state::model_counters& counters_of(monitor_state& state, const monitor_config& config,
                                           series_name name) {
  if (const auto found = state.series.find(name); found != state.series.end())
    return found->second;
  if (state.series.size() >= config.most_series
      || name.first.value.size() + name.second.value.size() > longest_names)
    name = {provider_id{monitor_state::rest}, model_id{monitor_state::rest}};
  const auto [at, fresh] = state.series.try_emplace(std::move(name));
  if (fresh) {
    at->second.totals.provider = at->first.first;
    at->second.totals.model = at->first.second;
    at->second.targets = targets_of(config, at->first.second);
  }
  return at->second;
}

void tell(self_pointer self, const config_ptr& config, const std::vector<monitoring::alert>& changes) {
  if (changes.empty())
    return;
  publish_events out;
  post_webhooks posts;
  for (const auto& one : changes) {
    event made{alert_channel, one.seq, event_type::alert, config->wall(),
               shared_text{monitoring::to_text(one)}};
    if (!config->webhooks.urls.empty())
      posts.bodies.push_back(to_frame(made));
    out.events.push_back(std::move(made));
  }
  if (config->event_hub)
    self->send(config->event_hub, std::move(out));
  if (self->state.poster && !posts.bodies.empty())
    self->send(self->state.poster, std::move(posts));
}

} // namespace monitor_detail

monitor_actor::behavior_type monitor(monitor_actor::stateful_pointer<monitor_state> self,
                                     monitor_config given) {
  using namespace monitor_detail;
  const auto config = std::make_shared<const monitor_config>(std::move(given));
  self->state.limits = config->limits;
  self->state.counting_since = config->wall();
  self->state.alerts = monitoring::alert_book{config->alerts};
  self->state.family.shield(self);
  self->set_down_handler([self](const caf::down_msg& down) {
    // The next tick starts another one.
    if (self->state.family.release(down.source))
      self->state.poster = webhook_poster_actor{};
  });
  keep_poster(self, config);
  begin_recall(self, config);
  self->delayed_send(self, config->interval, tick{});
  return {
      [self, config](const observe_calls& message) { count_all(self, config, message.calls); },
      [self, config](const observe_quality& message) { count_quality(self, config, message); },
      [self](const observe_budgets& news) { self->state.budgets = news.budgets; },
      [self](const read_statistics&) { return all_totals(self->state); },
      [self, config](const read_monitor&) { return whole_view(self, *config); },
      [self, config](const change_thresholds& wish) { return change_limits(self, config, wish); },
      [self, config](const acknowledge_alert& wish) { return acknowledge(self, config, wish); },
      [self, config](const read_gauges&) { return own_gauges(self, *config); },
      [self, config](const read_retries&) { return report_retries(self->state, *config); },
      [self](const provider_met& news) { meet(self, news); },
      [self, config](const provider_checked& news) { on_checked(self, config, news); },
      [self](keys_told& news) {
        const auto provider = news.provider;
        self->state.keys[provider] = std::move(news);
      },
      [self](const read_keys&) {
        keys_known out;
        for (const auto& [id, told] : self->state.keys)
          out.providers.push_back(told);
        return out;
      },
      [self, config](const statistics_recalled& part) { on_recalled(self, config, part); },
      [self, config](expired_statistics_found& found) { on_expired(self, config, found); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
