#include "actors/fleet/provider_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace assay::provider_detail {

namespace {

/// Calls that may lie before a limiter that has none to give: enough to fill its next grants, few enough that
/// a newcomer does not stand behind them.
constexpr uint32_t most_acquiring_throttled = 4;

bool names(const provider_key& key, const std::string& prompt_type) {
  return std::ranges::find(key.prompt_types, prompt_type) != key.prompt_types.end();
}

/// A provider that takes no key is served by one without a name.
std::string_view name_for_log(const provider_key& key) {
  return key.name.empty() ? std::string_view("none") : std::string_view(key.name);
}

/// Lines are kept apart only where keys or workers are bound to prompt types.
bool has_lines_by_type(self_pointer self, const provider_config& config) {
  return config.profile.workers_per_prompt_type > 0
         || std::ranges::any_of(self->state.keys, [](const key_state& key) {
              return !key.retired && !key.key.prompt_types.empty();
            });
}

bool probe_is_due(const provider_config& config, const key_state& key, bool all_out,
                  control::steady_time now) {
  return !key.probing && next_probe(config, key, all_out) <= now;
}

control::key_load load_of(const provider_config& config, const key_state& key, const gate_state& gate,
                          bool all_out, control::steady_time now, control::steady_time latest) {
  control::key_load out;
  out.weight = key.key.weight;
  out.limit = gate.window.limit();
  out.in_use = gate.in_use();
  out.throttled = gate.throttled;
  const uint32_t most = gate.throttled ? most_acquiring_throttled : gate.most_acquiring;
  out.usable = key.wire && gate.limiter && gate.closed_until <= now && gate.delayed_until <= latest
               && gate.acquiring < most && (!key.out || probe_is_due(config, key, all_out, now));
  return out;
}

} // namespace

std::vector<provider_key> keys_of(const provider_profile& profile) {
  auto keys = profile.keys;
  if (keys.empty()) {
    provider_key only;
    only.value = profile.key;
    keys.push_back(std::move(only));
  }
  return keys;
}

/// The keys that are bound to the type, and those bound to none. A type that no key may serve is served by
/// all: a call is worth more than the order of keys.
std::vector<size_t> keys_for(self_pointer self, const std::string& prompt_type) {
  const auto& keys = self->state.keys;
  std::vector<size_t> out;
  std::vector<size_t> all;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].retired)
      continue;
    all.push_back(i);
    if (keys[i].key.prompt_types.empty() || names(keys[i].key, prompt_type))
      out.push_back(i);
  }
  return out.empty() ? all : out;
}

line_state& line_for(self_pointer self, const config_ptr& config, model_state& model,
                     const std::string& prompt_type) {
  const std::string& wanted = has_lines_by_type(self, *config) ? prompt_type : std::string{};
  for (auto& line : model.lines)
    if (line->prompt_type == wanted)
      return *line;
  model.lines.push_back(std::make_unique<line_state>(
      line_state{wanted, keys_for(self, wanted), control::fair_queue<call_id>{config->queue_capacity}}));
  return *model.lines.back();
}

std::optional<size_t> choose_key(self_pointer self, const config_ptr& config, const model_state& model,
                                 const line_state& line, control::steady_time latest) {
  auto& state = self->state;
  const auto workers = config->profile.workers_per_prompt_type;
  if (workers > 0 && line.in_use >= workers)
    return std::nullopt;
  const auto now = self->clock().now();
  const bool all_out = !has_good_key(self, line);
  state.loads.clear();
  for (const auto key : line.keys)
    state.loads.push_back(load_of(*config, state.keys[key], model.gates[key], all_out, now, latest));
  if (state.loads.size() == 1)
    return state.loads.front().has_room() ? std::optional{line.keys.front()} : std::nullopt;
  const auto found = control::choose_key(state.loads, state.chance.roll(), state.chance.roll());
  return found ? std::optional{line.keys[*found]} : std::nullopt;
}

bool has_good_key(self_pointer self, const line_state& line) {
  return std::ranges::any_of(line.keys, [&](size_t key) { return !self->state.keys[key].out; });
}

std::optional<fault> hopeless(self_pointer self, const config_ptr& config, const line_state& line) {
  const auto now = self->clock().now();
  for (const auto number : line.keys) {
    const auto& key = self->state.keys[number];
    if (!key.out || key.probing || probe_is_due(*config, key, true, now))
      return std::nullopt;
  }
  auto reason = *self->state.keys[line.keys.front()].out;
  reason.where = "providers." + config->profile.id.value;
  reason.hint = "no key of the provider is good; mend or replace it, then retry the run";
  return reason;
}

bool has_hope(self_pointer self, const provider_config& config) {
  const auto now = self->clock().now();
  return std::ranges::any_of(self->state.keys, [&](const key_state& key) {
    return !key.retired && (!key.out || key.probing || probe_is_due(config, key, true, now));
  });
}

control::steady_time next_probe(const provider_config& config, const key_state& key, bool all_out) {
  if (key.out_since == control::steady_time::min())
    return key.out_since;
  auto pause = all_out ? config.last_key_probe_interval : config.key_probe_interval;
  if (key.out && key.out->code == errc::quota_exhausted) {
    constexpr uint32_t most_doublings = 12;
    const auto longest = all_out ? config.key_probe_interval : config.longest_key_probe_interval;
    pause = std::min(pause * (1U << std::min(key.failed_probes, most_doublings)), longest);
  }
  return key.out_since + pause;
}

void take_key_out(self_pointer self, const config_ptr& config, size_t key, const fault& reason) {
  auto& one = self->state.keys[key];
  if (!one.out)
    spdlog::error("provider takes a key out provider={} key={} reason=\"{}\"", config->profile.id.value,
                  name_for_log(one.key), reason.message);
  if (one.out && one.probing)
    ++one.failed_probes;
  one.out = reason;
  one.out_since = self->clock().now();
  one.probing = false;
  self->state.memory_changed = true;
}

void key_answered(self_pointer self, const config_ptr& config, size_t key, bool succeeded) {
  auto& one = self->state.keys[key];
  one.probing = false;
  if (!one.out || !succeeded)
    return;
  spdlog::info("provider takes a key back provider={} key={}", config->profile.id.value,
               name_for_log(one.key));
  one.out.reset();
  one.failed_probes = 0;
  self->state.memory_changed = true;
}

void close_gate(self_pointer self, model_state& model, size_t key, const exchange_result& result,
                milliseconds wait) {
  auto& gate = model.gates[key];
  gate.closed_until = std::max(gate.closed_until, self->clock().now() + wait);
  if (!gate.limiter)
    return;
  const bool announced = result.limits
                         && (result.limits->remaining_requests.value_or(1) == 0
                             || result.limits->remaining_requests_today.value_or(1) == 0
                             || result.limits->remaining_tokens.value_or(1) == 0
                             || result.limits->remaining_input_tokens.value_or(1) == 0
                             || result.limits->remaining_output_tokens.value_or(1) == 0);
  self->send(gate.limiter, key_closed{result.retry_after.value_or(wait), announced});
}

} // namespace assay::provider_detail
