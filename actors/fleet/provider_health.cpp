#include "actors/fleet/provider_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace assay::provider_detail {

namespace {

constexpr milliseconds probe_timeout{10'000};

/// Calls count up from an actor's number; these count down from the end.
call_id next_probe_id(provider_state& state) {
  return call_id{std::numeric_limits<uint64_t>::max() - state.health.probes++};
}

/// Only a provider that somebody has used, and that can be asked at all.
bool may_be_asked(self_pointer self, const provider_config& config) {
  return !self->state.health.unsupported && !self->state.models.empty() && !config.profile.base_url.empty();
}

bool is_idle(self_pointer self, const provider_config& config) {
  const auto& state = self->state;
  const bool on_the_wire =
      std::ranges::any_of(state.models, [](const auto& entry) { return entry.second->exchanging() > 0; });
  return !on_the_wire && self->clock().now() - state.health.last_traffic >= config.health_check_interval;
}

/// @returns a key whose connection lives, each in its turn.
std::optional<size_t> key_to_ask_with(self_pointer self, const provider_config& config) {
  auto& state = self->state;
  for (size_t i = 0; i < state.keys.size(); ++i) {
    const auto key = state.health.next_key++ % state.keys.size();
    const auto& one = state.keys[key];
    if (one.wire && !one.retired && (!config.profile.key_required || !one.key.value.empty()))
      return key;
  }
  return std::nullopt;
}

/// An answer is one vote like any call's: it moves a breaker from stage to stage, and never trips one alone.
void tell_breakers(self_pointer self, control::breaker_outcome verdict) {
  auto& state = self->state;
  const auto now = self->clock().now();
  for (auto& [id, model] : state.models) {
    const auto before = model->breaker.state();
    const auto permit = model->breaker.try_acquire(now);
    if (!permit)
      continue;
    model->breaker.record(*permit, verdict, now, state.chance.roll());
    if (model->breaker.state() == before)
      continue;
    state.memory_changed = true;
    spdlog::info("provider breaker changed by a health check model={} state={}", id.value,
                 to_string(model->breaker.state()));
  }
}

/// The list says little about a key: some show it to everybody, some keys may ask questions and not list
/// models. So none goes out by it, and one that was rejected is only tried again sooner.
void tell_key(self_pointer self, size_t key, const connection_probed& probed) {
  auto& keys = self->state.keys;
  if (!probed.error && key < keys.size() && keys[key].out
      && keys[key].out->code == errc::credentials_rejected)
    keys[key].out_since = control::steady_time::min();
}

/// It has answered, but not with a list.
bool has_no_list(errc code) {
  return code == errc::unsupported || code == errc::provider_rejected || code == errc::malformed_answer
         || code == errc::credentials_rejected;
}

void note(self_pointer self, const provider_config& config, const connection_probed& probed, bool healthy) {
  auto& state = self->state;
  const auto reason = probed.error ? probed.error->message : std::string{};
  if (healthy != state.health.healthy.value_or(true)) {
    if (healthy)
      spdlog::info("provider is healthy again provider={}", config.profile.id.value);
    else
      spdlog::warn("provider is not healthy provider={} reason=\"{}\"", config.profile.id.value, reason);
  }
  state.health.healthy = healthy;
  if (config.monitor)
    self->send(config.monitor,
               provider_checked{config.profile.id, healthy, healthy ? std::string{} : reason, probed.took});
}

} // namespace

void start_health_checks(self_pointer self, const provider_config& config) {
  self->state.health.last_traffic = self->clock().now();
  if (config.health_check_interval > milliseconds{0})
    self->delayed_send(self, config.health_check_interval, check_health{});
}

void on_check_health(self_pointer self, const config_ptr& config) {
  auto& health = self->state.health;
  if (health.unsupported)
    return;
  self->delayed_send(self, config->health_check_interval, check_health{});
  // The sockets' own deadline is shorter than the interval, or nobody will answer any more.
  health.open.reset();
  if (!may_be_asked(self, *config) || !is_idle(self, *config))
    return;
  const auto key = key_to_ask_with(self, *config);
  if (!key)
    return;
  const auto id = next_probe_id(self->state);
  health.open = {id, *key};
  self->send(self->state.keys[*key].wire,
             probe_connection{id, std::min(probe_timeout, config->health_check_interval)});
}

void on_probed(self_pointer self, const config_ptr& config, const connection_probed& probed) {
  auto& health = self->state.health;
  if (!health.open || health.open->first != probed.id)
    return;
  const auto key = health.open->second;
  health.open.reset();
  const auto code = probed.error ? std::optional{probed.error->code} : std::nullopt;
  const bool listless = code && has_no_list(*code);
  if (listless && !std::exchange(health.unsupported, true))
    spdlog::info(
        "provider gives no list of models and is not asked while it is idle provider={} reason=\"{}\"",
        config->profile.id.value, probed.error->message);
  if (code == errc::unsupported)
    return; // Nobody was asked.
  const auto verdict =
      code && !listless ? control::breaker_outcome_of(*code) : control::breaker_outcome::success;
  if (verdict != control::breaker_outcome::neutral)
    tell_breakers(self, verdict);
  tell_key(self, key, probed);
  const bool healthy =
      verdict == control::breaker_outcome::success || verdict == control::breaker_outcome::neutral;
  note(self, *config, probed, healthy);
  for (auto& [id, model] : self->state.models) {
    if (!healthy)
      model->last_failure = probed.error->message;
    update_credit(self, *config, *model);
    pump(self, config, *model);
  }
  remember(self, config);
}

} // namespace assay::provider_detail
