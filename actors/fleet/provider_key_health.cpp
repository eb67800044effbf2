#include "actors/fleet/provider_detail.hpp"

#include "core/control/limit_set.hpp"

#include <algorithm>
#include <chrono>

namespace assay::provider_detail {

namespace {

using control::limit_dimension;

wall_time day_of(wall_time now) {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::floor<std::chrono::days>(now));
}

/// Counts belong to one day.
key_use& use_of(const provider_config& config, key_state& key) {
  const auto today = day_of(config.wall());
  if (key.used.day != today)
    key.used = key_use{today, 0, 0, {}};
  return key.used;
}

void take(std::optional<uint32_t>& known, const std::optional<uint32_t>& told) {
  if (told)
    known = told;
}

void add_limit(std::vector<key_limit>& out, limit_dimension what, uint32_t configured,
               const std::optional<uint32_t>& told, const std::optional<uint32_t>& remaining) {
  // A limit that the farm keeps is the lower one.
  const bool learnt = told && (configured == 0 || *told <= configured);
  const uint32_t limit = learnt ? *told : configured;
  if (limit > 0)
    out.push_back({std::string(to_string(what)), limit, remaining, learnt});
}

std::vector<key_limit> limits_of(const model_state& model, const key_state& key, const gate_state& gate) {
  const auto set = tighter(model.profile.limits, key.key.limits);
  const auto& told = gate.told_limits;
  std::vector<key_limit> out;
  add_limit(out, limit_dimension::requests_per_second, set.requests_per_second, {}, {});
  add_limit(out, limit_dimension::requests_per_minute, set.requests_per_minute, told.limit_requests,
            told.remaining_requests);
  add_limit(out, limit_dimension::tokens_per_minute, set.tokens_per_minute, told.limit_tokens,
            told.remaining_tokens);
  add_limit(out, limit_dimension::input_tokens_per_minute, 0, told.limit_input_tokens,
            told.remaining_input_tokens);
  add_limit(out, limit_dimension::output_tokens_per_minute, 0, told.limit_output_tokens,
            told.remaining_output_tokens);
  add_limit(out, limit_dimension::requests_per_day, 0, told.limit_requests_per_day,
            told.remaining_requests_today);
  return out;
}

wall_time on_the_wall(self_pointer self, const provider_config& config, control::steady_time when) {
  return config.wall() + std::chrono::ceil<milliseconds>(when - self->clock().now());
}

key_at_model at_model(self_pointer self, const provider_config& config, const model_state& model,
                      size_t key) {
  const auto& gate = model.gates[key];
  key_at_model out;
  out.model = model.profile.id;
  out.window = gate.window.limit();
  out.in_flight = gate.exchanging;
  const auto until = std::max(gate.closed_until, gate.delayed_until);
  if (until > self->clock().now()) {
    out.closed_until = on_the_wall(self, config, until);
    out.closed_by = gate.delayed_until > gate.closed_until ? gate.delayed_by : "pause asked for (429)";
  }
  out.limits = limits_of(model, self->state.keys[key], gate);
  return out;
}

key_health health_of(self_pointer self, const provider_config& config, size_t place, bool all_out) {
  const auto& state = self->state;
  const auto& key = state.keys[place];
  key_health out;
  out.name = key.key.name.empty() ? "#" + std::to_string(place + 1) : key.key.name;
  out.fingerprint = key.key.fingerprint;
  out.out = key.out;
  if (key.out) {
    const auto next = next_probe(config, key, all_out);
    if (key.out_since != control::steady_time::min())
      out.out_since = on_the_wall(self, config, key.out_since);
    out.next_try = on_the_wall(self, config, std::max(next, self->clock().now()));
  }
  out.trying = key.out && key.probing;
  out.leaving = key.retired;
  out.day = day_of(config.wall());
  if (key.used.day == out.day) {
    out.requests = key.used.requests;
    out.tokens = key.used.tokens;
    out.cost = key.used.cost;
  }
  for (const auto& [id, model] : state.models)
    out.models.push_back(at_model(self, config, *model, place));
  return out;
}

} // namespace

void note_use(self_pointer self, const provider_config& config, const open_call& open,
              const exchange_result& result) {
  auto& used = use_of(config, self->state.keys[open.key]);
  ++used.requests;
  if (result.usage_present && open.request.kind != call_kind::count_tokens)
    used.tokens += uint64_t{result.usage.prompt_tokens} + result.usage.completion_tokens;
  self->state.memory_changed = true;
}

void note_cost(self_pointer self, const provider_config& config, size_t key,
               const std::optional<money>& cost) {
  if (cost)
    use_of(config, self->state.keys[key]).cost += *cost;
}

void note_limits(gate_state& gate, const limits_observed& told) {
  auto& known = gate.told_limits;
  take(known.limit_requests, told.limit_requests);
  take(known.remaining_requests, told.remaining_requests);
  take(known.limit_tokens, told.limit_tokens);
  take(known.remaining_tokens, told.remaining_tokens);
  take(known.limit_requests_per_day, told.limit_requests_per_day);
  take(known.remaining_requests_today, told.remaining_requests_today);
  take(known.limit_input_tokens, told.limit_input_tokens);
  take(known.remaining_input_tokens, told.remaining_input_tokens);
  take(known.limit_output_tokens, told.limit_output_tokens);
  take(known.remaining_output_tokens, told.remaining_output_tokens);
}

void tell_keys(self_pointer self, const provider_config& config) {
  if (!config.monitor)
    return;
  const auto& keys = self->state.keys;
  const bool all_out = std::ranges::all_of(keys, [](const key_state& key) { return key.retired || key.out; });
  keys_told out{config.profile.id, {}};
  for (size_t i = 0; i < keys.size(); ++i) {
    const bool gone = keys[i].retired && !keys[i].wire;
    if (!gone)
      out.keys.push_back(health_of(self, config, i, all_out));
  }
  self->send(config.monitor, std::move(out));
}

} // namespace assay::provider_detail
