#include "config/fleet.hpp"

#include "config/environment.hpp"
#include "core/values/simulated_model.hpp"

#include <algorithm>
#include <cmath>

namespace assay::config {

namespace {

constexpr std::string_view mock_provider = "mock";

/// "file:line models.x.base_url": where a value was written.
std::string where(const node& tree, std::initializer_list<std::string_view> names) {
  const node* here = &tree;
  std::string path;
  for (const auto name : names) {
    path.append(path.empty() ? "" : ".").append(name);
    const auto* next = here == nullptr ? nullptr : here->find(name);
    here = next == nullptr ? here : next;
  }
  return to_string(here->at) + " " + path;
}

fault at(fault value, std::string place) {
  value.where = std::move(place);
  return value;
}

provider_profile* find(std::vector<provider_profile>& providers, std::string_view id) {
  const auto found =
      std::find_if(providers.begin(), providers.end(), [&](const auto& one) { return one.id.value == id; });
  return found == providers.end() ? nullptr : &*found;
}

std::string origin_of(const std::string& base_url) {
  const auto parsed = parse_endpoint(base_url);
  return parsed ? parsed->origin : std::string{};
}

/// A key that still is ${NAME} is no key.
secret usable_key(const secret& key) { return has_placeholder(key.reveal()) ? secret{} : key; }

// -- providers
// --------------------------------------------------------------------------------------------------------

std::vector<provider_profile> builtin_profiles() {
  std::vector<provider_profile> profiles;
  for (const auto& builtin : builtin_providers()) {
    provider_profile profile;
    profile.id = provider_id(std::string(builtin.id));
    profile.base_url = builtin.base_url;
    profile.protocol =
        builtin.id == "azure_openai" ? wire_protocol::azure_openai : wire_protocol::openai_chat;
    profile.key_required = builtin.id != mock_provider && builtin.id != "hosted";
    profile.quota_429_is_throttle = builtin.quota_429_is_throttle;
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

result<void> apply_written(const written_provider& written, const node& tree,
                           std::vector<provider_profile>& out) {
  const auto word = provider_of_word(written.id);
  const std::string id(word.empty() ? std::string_view(written.id) : word);
  auto* profile = find(out, id);
  if (profile == nullptr) {
    profile = &out.emplace_back();
    profile->id = provider_id(id);
  }
  if (!written.base_url.empty() && !has_placeholder(written.base_url)) {
    const auto url = parse_provider_url(id, written.base_url);
    if (!url)
      return at(url.error(), where(tree, {"providers", written.id, "base_url"}));
    profile->base_url = url->base_url;
    if (url->protocol)
      profile->protocol = *url->protocol;
    // Azure's newer API is the protocol of OpenAI at another address.
    if (id == "azure_openai" && url->base_url.ends_with("/openai/v1"))
      profile->protocol = wire_protocol::openai_chat;
  }
  if (!written.protocol.empty()) {
    const auto protocol = protocol_by_name(written.protocol);
    if (!protocol)
      return at(protocol.error(), where(tree, {"providers", written.id, "protocol"}));
    profile->protocol = *protocol;
  }
  if (const auto key = usable_key(written.api_key); !key.empty())
    profile->key = key;
  profile->key_required = written.key_required.value_or(profile->key_required);
  profile->quota_429_is_throttle = written.quota_429_is_throttle.value_or(profile->quota_429_is_throttle);
  profile->max_connections = written.max_connections.value_or(profile->max_connections);
  profile->limits = written.limits;
  return {};
}

// -- models
// -----------------------------------------------------------------------------------------------------------

/// @returns the provider meant by model_type and provider, checked against each other.
result<std::string> provider_of(const written_model& written, const node& tree,
                                std::vector<provider_profile>& providers) {
  const auto meant = [&](const std::string& word, std::string_view key) -> result<std::string> {
    if (find(providers, word) != nullptr)
      return word;
    if (const auto known = provider_of_word(word); !known.empty())
      return std::string(known);
    auto words = provider_words();
    for (const auto& profile : providers)
      words.push_back(profile.id.value);
    return fault{errc::invalid_argument, "`" + word + "` is no provider",
                 where(tree, {"models", written.id, key}), did_you_mean(word, words)};
  };
  if (written.model_type.empty() && written.provider.empty()) {
    const auto& name = written.wire_model.empty() ? written.id : written.wire_model;
    if (const auto* entry = codecs::shipped_catalogue().find(name))
      return entry->provider.value;
    return fault{errc::invalid_argument, "nothing says which provider serves `" + name + "`",
                 where(tree, {"models", written.id}), "add model_type: openai_gpt, anthropic_claude, ..."};
  }
  auto by_provider =
      written.provider.empty() ? result<std::string>{std::string{}} : meant(written.provider, "provider");
  if (written.model_type.empty() || !by_provider)
    return by_provider;
  auto by_type = meant(written.model_type, "model_type");
  if (!by_type || by_provider->empty() || *by_type == *by_provider)
    return by_type;
  // openai_compatible says how to speak, not to whom.
  if (*by_type == "hosted")
    return by_provider;
  return fault{errc::invalid_argument,
               "model_type `" + written.model_type + "` and provider `" + written.provider
                   + "` contradict each other",
               where(tree, {"models", written.id, "provider"}), "leave one of them out"};
}

result<provider_wish> wish_of(const written_model& written, const node& tree, const std::string& provider) {
  provider_wish wish;
  wish.key = usable_key(written.api_key);
  if (!written.base_url.empty() && !written.endpoint.empty())
    return fault{errc::invalid_argument, "base_url and endpoint contradict each other",
                 where(tree, {"models", written.id, "endpoint"}), "leave one of them out"};
  const auto key = written.endpoint.empty() ? "base_url" : "endpoint";
  const auto& address = written.endpoint.empty() ? written.base_url : written.endpoint;
  if (!address.empty()) {
    const auto url = parse_provider_url(provider, address);
    if (!url)
      return at(url.error(), where(tree, {"models", written.id, key}));
    wish.endpoint = *url;
  }
  if (!written.protocol.empty()) {
    const auto protocol = protocol_by_name(written.protocol);
    if (!protocol)
      return at(protocol.error(), where(tree, {"models", written.id, "protocol"}));
    wish.protocol = *protocol;
  }
  return wish;
}

void apply_prices(const written_model& written, model_profile& model, std::vector<std::string>& warnings) {
  if (written.cost_per_token) {
    if (*written.cost_per_token > defaults::suspicious_cost_per_token)
      warnings.push_back("model " + written.id
                         + ": cost_per_token is more than $100 per million tokens; if the price "
                           "is per 1,000 tokens, divide it by 1,000");
    const auto per_mtok = *written.cost_per_token * 1e6;
    model.prices = token_prices{per_mtok, per_mtok, {}};
  }
  const auto& prices = written.prices;
  if (prices.input_per_mtok || prices.output_per_mtok || prices.cached_input_per_mtok) {
    auto merged = model.prices.value_or(token_prices{});
    merged.input_per_mtok = prices.input_per_mtok.value_or(merged.input_per_mtok);
    merged.output_per_mtok = prices.output_per_mtok.value_or(merged.output_per_mtok);
    if (prices.cached_input_per_mtok)
      merged.cached_input_per_mtok = prices.cached_input_per_mtok;
    model.prices = merged;
  }
  if (!model.prices)
    warnings.push_back("model " + written.id + ": no price is known, so its cost will be unknown");
}

void apply_limits(const written_model& written, model_profile& model) {
  model.limits = written.limits;
  if (written.num_concurrent)
    model.limits.concurrent_requests = *written.num_concurrent;
  if (written.workers)
    model.limits.concurrent_requests = *written.workers;
  model.in_flight = in_flight_rule_from_string(written.in_flight);
  if (!written.qps)
    return;
  if (*written.qps >= 1)
    model.limits.requests_per_second = static_cast<uint32_t>(*written.qps);
  else
    model.limits.requests_per_minute = std::max(1U, static_cast<uint32_t>(std::floor(*written.qps * 60)));
}

template <class T>
void take(T& out, const T& value) {
  if (!value.empty())
    out = value;
}

result<model_profile> build_model(const written_model& written, const node& tree, settings& out) {
  const auto base = provider_of(written, tree, out.providers);
  if (!base)
    return base.error();
  const auto wish = wish_of(written, tree, *base);
  if (!wish)
    return wish.error();
  std::vector<std::string> notes;
  const auto provider = place_provider(out.providers, *base, *wish, notes);
  for (const auto& note : notes)
    out.warnings.push_back("model " + written.id + ": " + note);

  auto model = profile_of(written.id, written.wire_model.empty() ? written.id : written.wire_model,
                          provider_id(*base));
  model.provider = provider;
  model.simulated = *base == mock_provider;
  take(model.name, written.name);
  take(model.version, written.version);
  take(model.capabilities, written.capabilities);
  take(model.supported_tasks, written.supported_tasks);
  model.context_window = written.context_window.value_or(model.context_window);
  model.max_output_tokens = written.max_output_tokens.value_or(model.max_output_tokens);
  model.defaults = written.parameters;
  model.call_timeout = written.timeout.value_or(model.call_timeout);
  model.max_retries = written.max_retries;
  model.max_cost_per_request = written.max_cost_per_request;
  model.daily_budget = written.daily_budget;
  model.target_response_time = written.target_response_time;
  model.target_success_rate = written.target_success_rate;
  for (const auto& task : written.task_optimizations)
    model.task_optimizations[task.id] = task.parameters;
  apply_limits(written, model);
  apply_prices(written, model, out.warnings);
  if (model.max_cost_per_request || model.daily_budget)
    out.warnings.push_back(
        "model " + written.id
        + ": cost_management is kept but not enforced yet; --dry-run shows what a run will cost");
  return model;
}

/// A model that answers without anybody thinking, for trying the farm out. Its prices are invented.
model_profile simulated_profile(std::string_view id, std::string_view name, token_prices prices) {
  model_profile model;
  model.id = model_id(std::string(id));
  model.name = name;
  model.provider = provider_id(std::string(mock_provider));
  model.wire_model = id;
  model.version = "simulated";
  model.capabilities = {"text_generation", "code_completion"};
  model.prices = prices;
  model.context_window = 128'000;
  model.max_output_tokens = 8192;
  model.simulated = true;
  return model;
}

std::vector<model_profile> simulated_models() {
  return {simulated_profile("sim-strong", "Simulated, mostly right", {0.10, 0.40, {}}),
          simulated_profile("sim-weak", "Simulated, often wrong", {0.02, 0.08, {}}),
          simulated_profile("sim-flaky", "Simulated, fails now and then", {0.05, 0.20, {}}),
          simulated_profile("sim-fast", "Simulated, answers at once", {0.01, 0.04, {}})};
}

void name_missing_keys(settings& out) {
  std::string list;
  for (const auto& provider : out.providers)
    if (provider.key_required && provider.key.empty() && !provider.base_url.empty())
      list += (list.empty() ? "" : ", ") + provider.id.value + " (" + key_variable(provider.id.value) + ")";
  if (!list.empty())
    out.warnings.push_back("no key is set for " + list + "; calls to them will be refused");
}

} // namespace

result<wire_protocol> protocol_by_name(std::string_view name) {
  if (const auto protocol = wire_protocol_from_string(name))
    return *protocol;
  return fault{errc::invalid_argument, "`" + std::string(name) + "` is no protocol", "",
               "one of openai_chat, anthropic, gemini, azure_openai"};
}

provider_id place_provider(std::vector<provider_profile>& providers, std::string_view base_id,
                           const provider_wish& wish, std::vector<std::string>& warnings) {
  auto& base = *find(providers, base_id);
  if (!wish.endpoint && !wish.protocol && wish.key.empty())
    return base.id;
  auto wanted = base;
  if (wish.endpoint) {
    wanted.base_url = wish.endpoint->base_url;
    if (wish.endpoint->protocol)
      wanted.protocol = *wish.endpoint->protocol;
    if (base.base_url.empty() || wish.endpoint->origin != origin_of(base.base_url))
      wanted.key = secret{};
  }
  if (wish.protocol)
    wanted.protocol = *wish.protocol;

  // A provider at the same address, speaking the same way, with the same or no other key, is the same
  // provider.
  const auto serves = [&](provider_profile& existing) {
    if (existing.base_url != wanted.base_url || existing.protocol != wanted.protocol)
      return false;
    if (existing.key.empty())
      existing.key = wish.key;
    return wish.key.empty() || wish.key == existing.key;
  };
  if (serves(base))
    return base.id;
  for (auto& existing : providers)
    if (serves(existing))
      return existing.id;
  if (!wish.key.empty())
    wanted.key = wish.key;
  if (wanted.key.empty() && !base.key.empty())
    warnings.push_back("its address differs from that of " + base.id.value
                       + ", whose key is not sent there; give it an api_key of its own if it needs one");
  wanted.key_required = base.key_required && !wanted.key.empty();
  const auto url = parse_endpoint(wanted.base_url);
  const auto stem = std::string(base_id) + "@" + (url ? url->host_port : std::string("unknown"));
  wanted.id = provider_id(stem);
  for (int i = 2; find(providers, wanted.id.value) != nullptr; ++i)
    wanted.id = provider_id(stem + "#" + std::to_string(i));
  providers.push_back(wanted);
  return wanted.id;
}

model_profile profile_of(std::string_view id, std::string_view wire_model, const provider_id& provider) {
  model_profile model;
  model.id = model_id(std::string(id));
  model.name = id;
  model.provider = provider;
  model.wire_model = wire_model;
  const auto* entry = codecs::shipped_catalogue().find(wire_model);
  if (entry == nullptr) {
    model.capabilities = {"text_generation", "code_completion", "text"};
    return model;
  }
  // An alias is ours; the provider knows the id. A dated name is the provider's own.
  const bool alias =
      std::find(entry->aliases.begin(), entry->aliases.end(), wire_model) != entry->aliases.end();
  if (alias && entry->provider == provider)
    model.wire_model = entry->id;
  model.name = entry->name;
  model.version = entry->version;
  model.capabilities = entry->capabilities;
  model.prices = entry->prices;
  model.context_window = entry->context_window;
  model.max_output_tokens = entry->max_output_tokens;
  model.deprecated = entry->deprecated;
  return model;
}

std::optional<model_profile> simulated_by_percent(std::string_view id) {
  const auto percent = simulated_percent(id);
  if (!percent)
    return std::nullopt;
  const auto name = "Simulated, right in " + std::to_string(*percent) + " %";
  return simulated_profile(id, name, {0.05, 0.20, {}});
}

result<void> build_fleet(const document& written, const node& tree, settings& out) {
  out.providers = builtin_profiles();
  for (const auto& provider : written.providers)
    if (auto applied = apply_written(provider, tree, out.providers); !applied)
      return applied;
  for (const auto& one : written.models) {
    auto model = build_model(one, tree, out);
    if (!model)
      return model.error();
    out.models.push_back(std::move(*model));
  }
  for (auto& model : simulated_models())
    if (std::none_of(out.models.begin(), out.models.end(),
                     [&](const auto& one) { return one.id == model.id; }))
      out.models.push_back(std::move(model));
  name_missing_keys(out);
  return {};
}

} // namespace assay::config
