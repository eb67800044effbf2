#include "actors/monitoring/monitor_detail.hpp"

#include "core/monitoring/retry_view.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

namespace assay::monitor_detail {

namespace {

constexpr size_t most_recent = 100;

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f %%", share * 100);
  return text;
}

std::string in_words(const control::retry_rule& rule) {
  char text[96];
  std::snprintf(text, sizeof text, "%s from %.3g s, %u tries", std::string(to_string(rule.strategy)).c_str(),
                std::chrono::duration<double>(rule.base).count(), unsigned{rule.attempts});
  return text;
}

/// Everybody who follows the alerts hears of it, and the log.
void tell_of_change(self_pointer self, const config_ptr& config, monitoring::fleet_change change) {
  spdlog::info("monitor changed the fleet provider={} model={} change=\"{}\"", change.provider.value,
               change.model.value, change.message);
  self->state.unsaved_alerts.push_back(self->state.alerts.note(std::move(change), config->wall()));
}

provider_tuning tuning_of(const monitor_state& state, const provider_id& provider,
                          const monitor_state::tuned_provider& tuned) {
  provider_tuning out;
  for (const auto& [code, rule] : tuned.rules)
    out.retries.emplace_back(code, rule.rule);
  for (const auto& [which, scaled] : state.scaled)
    if (which.first == provider)
      out.shares.emplace_back(which.second, scaled.share);
  return out;
}

void send_tuning(self_pointer self, const provider_id& provider) {
  const auto found = self->state.fleet.find(provider);
  if (found != self->state.fleet.end() && found->second.handle)
    self->send(found->second.handle, tune_provider{tuning_of(self->state, provider, found->second)});
}

void send_tunings(self_pointer self, const std::set<provider_id>& providers) {
  for (const auto& provider : providers)
    send_tuning(self, provider);
}

// -- calls in flight ---------------------------------------------------------------------------------------

void unscale(self_pointer self, const config_ptr& config) {
  std::set<provider_id> changed;
  for (const auto& [which, scaled] : std::exchange(self->state.scaled, {})) {
    changed.insert(which.first);
    tell_of_change(self, config,
                   {which.first, which.second,
                    which.second.value + " at " + which.first.value
                        + " may have all its configured calls in flight again: scaling is off",
                    1, scaled.share, 0});
  }
  send_tunings(self, changed);
}

void scale_fleet(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (!state.limits.auto_scaling_enabled || !state.limits.monitoring_enabled)
    return unscale(self, config);
  const auto& view = fresh_view(self, *config);
  // Calls made elsewhere are not the farm's to change.
  std::vector<monitoring::model_view> models;
  for (const auto& one : view.models)
    if (state.fleet.contains(one.provider))
      models.push_back(one);
  const auto recommended = monitoring::recommendations_for(state.limits, models);
  std::set<provider_id> changed;
  for (const auto& step :
       monitoring::scale(state.scaled, recommended, models, config->scaling, config->wall())) {
    changed.insert(step.provider);
    tell_of_change(self, config,
                   {step.provider, step.model,
                    step.model.value + " at " + step.provider.value + " may have " + percent(step.after)
                        + " of its configured calls in flight, before " + percent(step.before) + ": "
                        + step.reason,
                    step.after, step.before, step.samples});
  }
  send_tunings(self, changed);
}

// -- retries -----------------------------------------------------------------------------------------------

control::retry_rule rule_in_force(const monitor_state& state, const monitor_config& config,
                                  const provider_id& provider, errc error) {
  const auto tuned = state.fleet.find(provider);
  if (tuned != state.fleet.end())
    if (const auto rule = tuned->second.rules.find(error); rule != tuned->second.rules.end())
      return rule->second.rule;
  return config.retries.rule_for(error);
}

std::vector<monitoring::retry_proposal> proposals_now(const monitor_state& state,
                                                      const monitor_config& config) {
  return monitoring::retry_proposals(
      state.retry_evidence, [&](const provider_id&, errc error) { return config.retries.rule_for(error); },
      [&](const provider_id& provider, errc error) { return rule_in_force(state, config, provider, error); },
      config.retry_limits);
}

void bring_rules_back(self_pointer self, const config_ptr& config) {
  std::set<provider_id> changed;
  for (auto& [provider, tuned] : self->state.fleet)
    for (const auto& [error, rule] : std::exchange(tuned.rules, {})) {
      changed.insert(provider);
      self->state.retry_evidence.forget(provider, error);
      tell_of_change(self, config,
                     {provider,
                      {},
                      "retries after " + std::string(to_string(error)) + " at " + provider.value
                          + " are as configured again: " + in_words(rule.configured),
                      0,
                      0,
                      0});
    }
  send_tunings(self, changed);
}

void apply_retry_advice(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (!state.limits.apply_retry_advice)
    return bring_rules_back(self, config);
  const auto now = config->wall();
  std::set<provider_id> changed;
  for (const auto& proposal : proposals_now(state, *config)) {
    const auto tuned = state.fleet.find(proposal.provider);
    if (tuned == state.fleet.end())
      continue;
    auto& rule = tuned->second.rules[proposal.error];
    if (rule.changed_at != wall_time{} && now >= rule.changed_at
        && now - rule.changed_at < config->retry_cooldown)
      continue;
    rule = {proposal.provider, proposal.error,  config->retries.rule_for(proposal.error),
            proposal.proposed, proposal.reason, now};
    // Its effect is seen by what comes from now on.
    state.retry_evidence.forget(proposal.provider, proposal.error);
    changed.insert(proposal.provider);
    tell_of_change(self, config,
                   {proposal.provider,
                    {},
                    "retries after " + std::string(to_string(proposal.error)) + " at "
                        + proposal.provider.value + ": " + in_words(proposal.proposed) + ", before "
                        + in_words(proposal.now) + ": " + proposal.reason,
                    proposal.gain,
                    0,
                    proposal.samples});
  }
  send_tunings(self, changed);
}

std::string what_came_then(const call_observation& call, size_t index) {
  if (index + 1 < call.failed_tries.size())
    return "failed_again";
  return call.error ? "given_up" : "succeeded";
}

} // namespace

void count_retries(self_pointer self, const monitor_config& config, const call_observation& call) {
  auto& state = self->state;
  // What was never sent needed no retry, and a batch has none of these.
  if (call.external || call.batched || (call.error && call.failed_tries.empty()))
    return;
  state.retries.add(call.provider, call.failed_tries, !call.error);
  state.retry_evidence.add(call.provider, call.failed_tries, !call.error);
  for (size_t i = 0; i < call.failed_tries.size(); ++i) {
    if (state.recent_retries.size() >= most_recent)
      state.recent_retries.pop_front();
    state.recent_retries.push_back({call.at.value_or(config.wall()), call.provider, call.model,
                                    static_cast<uint16_t>(i + 1), call.failed_tries[i],
                                    what_came_then(call, i)});
  }
}

retry_report report_retries(const monitor_state& state, const monitor_config& config) {
  std::vector<monitoring::changed_rule> rules;
  for (const auto& [provider, tuned] : state.fleet)
    for (const auto& [error, rule] : tuned.rules)
      rules.push_back(rule);
  const monitoring::retry_view view{
      config.wall(),       state.counting_since, state.limits.apply_retry_advice,
      state.retries,       std::move(rules),     proposals_now(state, config),
      state.recent_retries};
  return {monitoring::retries_json(view).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

void meet(self_pointer self, const provider_met& news) {
  self->state.fleet[news.provider].handle = news.handle;
  send_tuning(self, news.provider);
}

void on_checked(self_pointer self, const config_ptr& config, const provider_checked& news) {
  self->state.health[news.provider] = {news.provider, news.healthy, news.reason, news.took, config->wall()};
}

void tune_when_due(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  const auto now = self->clock().now();
  if (!state.recalled || now < state.tune_at)
    return;
  state.tune_at = now + config->tune_interval;
  scale_fleet(self, config);
  apply_retry_advice(self, config);
}

void add_fleet(const monitor_state& state, monitoring::monitor_view& out) {
  for (const auto& [provider, health] : state.health)
    out.health.push_back(health);
  for (const auto& [which, scaled] : state.scaled)
    if (scaled.share < 1)
      out.scaled.push_back({which.first, which.second, scaled.share, scaled.reason, scaled.changed_at});
}

void add_fleet_gauges(const monitor_state& state, gauges& out) {
  // Strategies that an error had one after the other are one series.
  std::map<std::vector<std::string>, uint64_t> tries;
  for (const auto& [subject, seen] : state.retries.subjects()) {
    const auto add = [&, &subject = subject](const char* then, uint64_t count) {
      tries[{subject.provider.value, std::string(to_string(subject.error)), then}] += count;
    };
    add("succeeded", seen.retries.succeeded);
    add("failed_again", seen.retries.made - seen.retries.succeeded);
    add("given_up", seen.given_up);
  }
  for (const auto& [labels, count] : tries)
    out.values.push_back({metric::retried_tries_total, labels, static_cast<double>(count)});
  for (const auto& [provider, health] : state.health)
    out.values.push_back({metric::provider_healthy, {provider.value}, health.healthy ? 1.0 : 0.0});
  for (const auto& [which, scaled] : state.scaled)
    if (scaled.share < 1)
      out.values.push_back({metric::scaled_share, {which.first.value, which.second.value}, scaled.share});
}

} // namespace assay::monitor_detail
