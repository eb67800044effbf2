#include "actors/fleet/provider_detail.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::provider_detail {

namespace {

constexpr seconds least_interval{1};
/// Whoever starts a process may have mended what was wrong: the first probe comes soon.
constexpr seconds longest_rest_after_start{2};
constexpr size_t longest_reason = 500;
/// What a provider could take an hour ago says little.
constexpr std::chrono::hours window_is_good_for{1};

/// What is known of one address says nothing of another.
bool is_of_this_address(const provider_config& config, const nlohmann::json& memory) {
  const auto address = memory.find("address");
  return address == memory.end() || *address == config.profile.base_url;
}

nanoseconds since_told(const provider_config& config, const nlohmann::json& memory) {
  const auto at = memory.find("at");
  if (at == memory.end() || !at->is_number_integer())
    return nanoseconds{0};
  // A wall clock that was set back must not lengthen the memory.
  const milliseconds passed = config.wall() - wall_time{milliseconds{at->get<int64_t>()}};
  return std::clamp<milliseconds>(passed, milliseconds{0}, std::chrono::hours{24});
}

nlohmann::json model_memory(self_pointer self, const model_state& model) {
  const auto breaker = model.breaker.export_state(self->clock().now());
  const auto& tokens = model.tokens.export_state();
  nlohmann::json limiters = nlohmann::json::object();
  nlohmann::json windows = nlohmann::json::object();
  for (size_t i = 0; i < model.gates.size(); ++i) {
    // A successor has none of it, and may have another of its name.
    if (model.gates[i].retired)
      continue;
    const auto& name = self->state.keys[i].key.name;
    limiters[name] = model.gates[i].limiter_memory;
    const auto window = model.gates[i].window.export_state();
    // A slow start that nothing has ended is no knowledge.
    if (!window.slow_start)
      windows[name] = window.limit;
  }
  return {{"limiters", std::move(limiters)},
          {"windows", std::move(windows)},
          {"breaker_open", breaker.open},
          {"breaker_open_for", breaker.open_for.count()},
          {"breaker_left", breaker.left.count()},
          {"last_failure", model.last_failure.substr(0, longest_reason)},
          {"tokens_log_factor", tokens.log_factor},
          {"tokens_error", tokens.error},
          {"tokens_observations", tokens.observations}};
}

nlohmann::json use_memory(const key_state& key) {
  return {{"fingerprint", key.key.fingerprint},
          {"day", key.used.day.time_since_epoch().count()},
          {"requests", key.used.requests},
          {"tokens", key.used.tokens},
          {"cost", key.used.cost.nanodollars}};
}

/// What the keys have done today, before this start.
void recall_use(provider_state& state, const nlohmann::json& memory) {
  const auto known = memory.find("keys_used");
  if (known == memory.end())
    return;
  for (auto& key : state.keys) {
    const auto past = known->find(key.key.name);
    if (past == known->end() || past->at("fingerprint").get<std::string>() != key.key.fingerprint)
      continue;
    key.used.day = wall_time{milliseconds{past->at("day").get<int64_t>()}};
    key.used.requests = past->at("requests").get<uint64_t>();
    key.used.tokens = past->at("tokens").get<uint64_t>();
    key.used.cost = money{past->at("cost").get<int64_t>()};
  }
}

nlohmann::json key_memory(const key_state& key) {
  return {{"fingerprint", key.key.fingerprint},
          {"code", to_string(key.out->code)},
          {"message", key.out->message}};
}

} // namespace

void remember(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  const auto now = self->clock().now();
  if (!state.memory_changed || !state.parent)
    return;
  // The last change before a quiet time must not stay untold.
  if (now - state.memory_sent < least_interval)
    return start_ticking(self, *config);
  state.memory_changed = false;
  state.memory_sent = now;
  tell_keys(self, *config);
  nlohmann::json models = nlohmann::json::object();
  for (const auto& [id, model] : state.models)
    models[id.value] = model_memory(self, *model);
  nlohmann::json keys = nlohmann::json::object();
  for (const auto& key : state.keys)
    if (key.out && !key.retired)
      keys[key.key.name] = key_memory(key);
  nlohmann::json used = nlohmann::json::object();
  for (const auto& key : state.keys)
    if (key.used.requests > 0 && !key.retired)
      used[key.key.name] = use_memory(key);
  const nlohmann::json memory{{"address", config->profile.base_url},
                              {"at", config->wall().time_since_epoch().count()},
                              {"models", std::move(models)},
                              {"keys_out", std::move(keys)},
                              {"keys_used", std::move(used)}};
  // Failures carry what providers have said, in whatever bytes.
  self->send(state.parent,
             provider_memory{config->profile.id,
                             memory.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
}

remembered_model recall(const provider_config& config, const model_id& id) {
  const auto memory = nlohmann::json::parse(config.memory, nullptr, false);
  if (!memory.is_object() || !memory.contains("models") || !memory["models"].contains(id.value)
      || !is_of_this_address(config, memory))
    return {};
  try {
    const auto& model = memory["models"][id.value];
    remembered_model out;
    out.breaker.open = model.at("breaker_open").get<bool>();
    out.breaker.open_for = nanoseconds{model.at("breaker_open_for").get<int64_t>()};
    out.breaker.left = nanoseconds{model.at("breaker_left").get<int64_t>()};
    out.elapsed = since_told(config, memory);
    if (!config.restarted)
      out.breaker.left = std::min<nanoseconds>(out.breaker.left, out.elapsed + longest_rest_after_start);
    out.last_failure = model.value("last_failure", "");
    out.limiters = model.at("limiters").get<std::map<std::string, std::string>>();
    if (model.contains("windows") && out.elapsed < window_is_good_for)
      for (const auto& [key, limit] : model.at("windows").items())
        out.windows[key] = {limit.get<uint32_t>(), false};
    out.tokens.log_factor = model.value("tokens_log_factor", 0.0);
    out.tokens.error = model.value("tokens_error", 0.0);
    out.tokens.observations = model.value("tokens_observations", 0U);
    return out;
  } catch (const nlohmann::json::exception&) {
    // Written by another version: a closed breaker and empty buckets find out by themselves.
    return {};
  }
}

void recall_keys(self_pointer self, const config_ptr& config) {
  const auto memory = nlohmann::json::parse(config->memory, nullptr, false);
  if (!memory.is_object() || !memory.contains("keys_out") || !is_of_this_address(*config, memory))
    return;
  try {
    recall_use(self->state, memory);
    const auto& known = memory.at("keys_out");
    for (auto& key : self->state.keys) {
      if (!known.contains(key.key.name))
        continue;
      const auto& past = known.at(key.key.name);
      // Another key under the same name deserves its own chance.
      if (past.at("fingerprint").get<std::string>() != key.key.fingerprint)
        continue;
      key.out = fault{errc_from_string(past.at("code").get<std::string>()),
                      past.at("message").get<std::string>(),
                      {},
                      {}};
      // Somebody may have paid in the meantime: its first call finds out.
      key.out_since = control::steady_time::min();
    }
  } catch (const nlohmann::json::exception&) {
    // Written by another version: a key that is out shows itself by its first call.
    return;
  }
}

} // namespace assay::provider_detail
