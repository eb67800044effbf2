#include "actors/fleet/provider_detail.hpp"

#include <nlohmann/json.hpp>

namespace assay::provider_detail {

namespace {

constexpr seconds least_interval{1};

nlohmann::json model_memory(self_pointer self, const model_state& model) {
  const auto breaker = model.breaker.export_state(self->clock().now());
  nlohmann::json limiters = nlohmann::json::object();
  for (size_t i = 0; i < model.gates.size(); ++i)
    limiters[self->state.keys[i].key.name] = model.gates[i].limiter_memory;
  return {{"limiters", std::move(limiters)},
          {"breaker_open", breaker.open},
          {"breaker_open_for", breaker.open_for.count()},
          {"breaker_left", breaker.left.count()}};
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
  nlohmann::json models = nlohmann::json::object();
  for (const auto& [id, model] : state.models)
    models[id.value] = model_memory(self, *model);
  nlohmann::json keys = nlohmann::json::object();
  for (const auto& key : state.keys)
    if (key.out)
      keys[key.key.name] = key_memory(key);
  const nlohmann::json memory{{"models", std::move(models)}, {"keys_out", std::move(keys)}};
  self->send(state.parent, provider_memory{config->profile.id, memory.dump()});
}

remembered_model recall(const provider_config& config, const model_id& id) {
  const auto memory = nlohmann::json::parse(config.memory, nullptr, false);
  if (!memory.is_object() || !memory.contains("models") || !memory["models"].contains(id.value))
    return {};
  try {
    const auto& model = memory["models"][id.value];
    remembered_model out;
    out.breaker.open = model.at("breaker_open").get<bool>();
    out.breaker.open_for = nanoseconds{model.at("breaker_open_for").get<int64_t>()};
    out.breaker.left = nanoseconds{model.at("breaker_left").get<int64_t>()};
    out.limiters = model.at("limiters").get<std::map<std::string, std::string>>();
    return out;
  } catch (const nlohmann::json::exception&) {
    // Written by another version: a closed breaker and empty buckets find out by themselves.
    return {};
  }
}

void recall_keys(self_pointer self, const config_ptr& config) {
  const auto memory = nlohmann::json::parse(config->memory, nullptr, false);
  if (!memory.is_object() || !memory.contains("keys_out"))
    return;
  try {
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
