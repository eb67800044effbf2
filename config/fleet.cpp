#include "config/fleet.hpp"

#include "config/environment.hpp"
#include "config/key_pools.hpp"
#include "core/values/simulated_model.hpp"

#include <algorithm>
#include <cmath>

namespace assay::config {

namespace {

constexpr std::string_view mock_provider = "mock";
/// How the warning about providers without a key begins.
constexpr std::string_view missing_keys = "no key is set for ";

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

/// The vendors' own servers have batch APIs, and so has the mock provider. Azure's needs a deployment of its
/// own kind, so that somebody has to say that there is one.
bool has_batch_api(const provider_profile& profile) {
  const auto at = [&](std::string_view host) {
    return profile.base_url.starts_with("https://" + std::string(host));
  };
  switch (profile.protocol) {
  case wire_protocol::openai_chat:
    return profile.id.value == mock_provider || at("api.openai.com");
  case wire_protocol::anthropic:
    return at("api.anthropic.com");
  case wire_protocol::gemini:
    return at("generativelanguage.googleapis.com");
  case wire_protocol::azure_openai:
    break;
  }
  return false;
}

std::vector<provider_profile> builtin_profiles() {
  std::vector<provider_profile> profiles;
  for (const auto& builtin : builtin_providers()) {
    provider_profile profile;
    profile.id = provider_id(std::string(builtin.id));
    profile.base_url = builtin.base_url;
    profile.protocol = builtin.protocol;
    profile.key_required = builtin.id != mock_provider && builtin.id != "hosted";
    profile.quota_429_is_throttle = builtin.quota_429_is_throttle;
    profile.dialect = builtin.dialect;
    profile.batches.available = has_batch_api(profile);
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

result<void> apply_address(const written_provider& written, const node& tree, provider_profile& profile) {
  const auto& id = profile.id.value;
  auto url = parse_provider_url(id, written.base_url);
  if (!url)
    return at(url.error(), place_of(tree, {"providers", written.id, "base_url"}));
  profile.dialect = dialect_at(url->base_url, profile.dialect);
  // Only the classic API of Azure has versions.
  const bool versioned = !written.api_version.empty() && !has_placeholder(written.api_version);
  const bool classic = versioned || written.protocol == "azure_openai";
  const auto plain = parse_endpoint(written.base_url);
  if (profile.dialect == api_dialect::azure && classic && plain && plain->base_url == plain->origin) {
    url->base_url = plain->origin + "/openai";
    url->protocol = wire_protocol::azure_openai;
  }
  profile.base_url = url->base_url;
  if (url->protocol)
    profile.protocol = *url->protocol;
  return {};
}

result<void> apply_dialect(const written_provider& written, const node& tree, provider_profile& profile) {
  if (!written.dialect.empty()) {
    const auto dialect = api_dialect_from_string(written.dialect);
    if (!dialect)
      return fault{errc::invalid_argument, "`" + written.dialect + "` is no dialect",
                   place_of(tree, {"providers", written.id, "dialect"}),
                   did_you_mean(written.dialect, api_dialect_names())};
    profile.dialect = *dialect;
  } else if (profile.dialect == api_dialect::compatible) {
    // A provider that is called `ollama` or `vllm` is one.
    const auto named = api_dialect_from_string(written.id);
    profile.dialect = named && *named != api_dialect::openai ? *named : profile.dialect;
  }
  return {};
}

key_pool& pool_of(settings& all, const provider_id& id) {
  const auto found = std::ranges::find(all.key_pools, id, &key_pool::provider);
  if (found != all.key_pools.end())
    return *found;
  auto& fresh = all.key_pools.emplace_back();
  fresh.provider = id;
  return fresh;
}

result<void> apply_written(const written_provider& written, const node& tree, settings& all) {
  auto& out = all.providers;
  const auto word = provider_of_word(written.id);
  const std::string id(word.empty() ? std::string_view(written.id) : word);
  auto* profile = find(out, id);
  if (profile == nullptr) {
    profile = &out.emplace_back();
    profile->id = provider_id(id);
  }
  if (!written.base_url.empty() && !has_placeholder(written.base_url)) {
    if (auto applied = apply_address(written, tree, *profile); !applied)
      return applied;
  }
  if (auto applied = apply_dialect(written, tree, *profile); !applied)
    return applied;
  if (!written.protocol.empty()) {
    const auto protocol = protocol_by_name(written.protocol);
    if (!protocol)
      return at(protocol.error(), place_of(tree, {"providers", written.id, "protocol"}));
    profile->protocol = *protocol;
  }
  profile->base_url = address_for(std::move(profile->base_url), profile->protocol);
  if (const auto key = usable_key(written.api_key); !key.empty())
    profile->key = key;
  profile->key_required = written.key_required.value_or(profile->key_required);
  profile->quota_429_is_throttle = written.quota_429_is_throttle.value_or(profile->quota_429_is_throttle);
  profile->max_connections = written.max_connections.value_or(profile->max_connections);
  if (!has_placeholder(written.api_version))
    profile->api_version = written.api_version;
  profile->limits = written.limits;
  profile->batches.available = written.batch.available.value_or(has_batch_api(*profile));
  profile->batches.price_factor = written.batch.price_factor.value_or(profile->batches.price_factor);
  profile->batches.window = written.batch.window.value_or(profile->batches.window);
  return take_pool(written, tree, *profile, pool_of(all, profile->id), all.warnings);
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
    auto hint = did_you_mean(word, words);
    for (const auto& known : words)
      if (hint.empty() || hint.starts_with("known: "))
        hint += (hint.empty() ? "known: " : ", ") + known;
    return fault{errc::invalid_argument, "`" + word + "` is no provider",
                 place_of(tree, {"models", written.id, key}), std::move(hint)};
  };
  if (written.model_type.empty() && written.provider.empty()) {
    const auto& name = written.wire_model.empty() ? written.id : written.wire_model;
    if (const auto* entry = codecs::shipped_catalogue().find(name))
      return entry->provider.value;
    return fault{errc::invalid_argument, "nothing says which provider serves `" + name + "`",
                 place_of(tree, {"models", written.id}), "add model_type: openai_gpt, anthropic_claude, ..."};
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
               place_of(tree, {"models", written.id, "provider"}), "leave one of them out"};
}

bool speaks_openai(wire_protocol protocol) noexcept {
  return protocol == wire_protocol::openai_chat || protocol == wire_protocol::azure_openai;
}

result<provider_wish> wish_of(const written_model& written, const node& tree, const provider_profile& base) {
  provider_wish wish;
  wish.key = usable_key(written.api_key);
  if (!written.base_url.empty() && !written.endpoint.empty())
    return fault{errc::invalid_argument, "base_url and endpoint contradict each other",
                 place_of(tree, {"models", written.id, "endpoint"}), "leave one of them out"};
  const auto key = written.endpoint.empty() ? "base_url" : "endpoint";
  const auto& address = written.endpoint.empty() ? written.base_url : written.endpoint;
  if (!address.empty()) {
    const auto url = parse_provider_url(base.id.value, address);
    if (!url)
      return at(url.error(), place_of(tree, {"models", written.id, key}));
    wish.endpoint = *url;
  }
  if (!written.protocol.empty()) {
    const auto protocol = protocol_by_name(written.protocol);
    if (!protocol)
      return at(protocol.error(), place_of(tree, {"models", written.id, "protocol"}));
    wish.protocol = *protocol;
  } else if (provider_of_word(written.model_type) == "hosted" && !speaks_openai(base.protocol)
             && !(wish.endpoint && wish.endpoint->protocol)) {
    wish.protocol = wire_protocol::openai_chat;
  }
  return wish;
}

void apply_prices(const written_model& written, model_profile& model, std::vector<std::string>& warnings) {
  if (written.cost_per_token) {
    if (*written.cost_per_token > defaults::suspicious_cost_per_token)
      warnings.push_back("model " + written.id
                         + ": cost_per_token is more than $100 per million tokens; if the price "
                           "is per 1,000 tokens, divide it by 1,000");
    // By way of whole units, so that 1e-7 becomes 0.1 and not 0.09999999999999999.
    const auto per_mtok = std::round(*written.cost_per_token * 1e12) / 1e6;
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
  if (written.qps)
    apply_qps(*written.qps, model.limits);
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
  const auto wish = wish_of(written, tree, *find(out.providers, *base));
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
  model.monthly_budget = written.monthly_budget;
  model.target_response_time = written.target_response_time;
  model.target_success_rate = written.target_success_rate;
  for (const auto& task : written.task_optimizations)
    model.task_optimizations[task.id] = task.parameters;
  apply_limits(written, model);
  apply_prices(written, model, out.warnings);
  if ((model.max_cost_per_request || model.daily_budget || model.monthly_budget) && !model.prices)
    out.warnings.push_back("model " + written.id
                           + ": cost_management needs prices, and none are known; its calls will be refused");
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

} // namespace

void name_missing_keys(settings& out) {
  std::erase_if(out.warnings, [](const std::string& one) { return one.starts_with(missing_keys); });
  std::string list;
  for (const auto& provider : out.providers)
    if (provider.key_required && provider.key.empty() && !provider.base_url.empty())
      list += (list.empty() ? "" : ", ") + provider.id.value + " (" + key_variable(provider.id.value) + ")";
  if (!list.empty())
    out.warnings.push_back(std::string(missing_keys) + list + "; calls to them will be refused");
}

std::string place_of(const node& tree, std::initializer_list<std::string_view> names) {
  const node* here = &tree;
  std::string path;
  for (const auto name : names) {
    path.append(path.empty() ? "" : ".").append(name);
    const auto* next = here == nullptr ? nullptr : here->find(name);
    here = next == nullptr ? here : next;
  }
  return to_string(here->at) + " " + path;
}

result<wire_protocol> protocol_by_name(std::string_view name) {
  if (const auto protocol = wire_protocol_from_string(name))
    return *protocol;
  return fault{errc::invalid_argument, "`" + std::string(name) + "` is no protocol", "",
               "one of openai_chat, anthropic, gemini, azure_openai"};
}

namespace {

void forget_keys(provider_profile& profile) {
  profile.key = secret{};
  profile.keys.clear();
}

bool holds(const provider_profile& profile, const secret& key) {
  return std::ranges::any_of(profile.keys, [&](const provider_key& one) { return one.value == key; });
}

} // namespace

provider_id place_provider(std::vector<provider_profile>& providers, std::string_view base_id,
                           const provider_wish& wish, std::vector<std::string>& warnings) {
  auto& base = *find(providers, base_id);
  if (!wish.endpoint && !wish.protocol && wish.key.empty())
    return base.id;
  auto wanted = base;
  if (wish.endpoint) {
    wanted.base_url = wish.endpoint->base_url;
    wanted.dialect = dialect_at(wanted.base_url, base.dialect);
    if (wish.endpoint->protocol)
      wanted.protocol = *wish.endpoint->protocol;
    if (base.base_url.empty() || wish.endpoint->origin != origin_of(base.base_url))
      forget_keys(wanted);
  }
  if (wish.protocol)
    wanted.protocol = *wish.protocol;
  wanted.base_url = address_for(std::move(wanted.base_url), wanted.protocol);
  if (wanted.base_url != base.base_url || wanted.protocol != base.protocol)
    wanted.batches.available = has_batch_api(wanted);

  // A provider at the same address, speaking the same way, with the same or no other key, is the same
  // provider.
  const auto serves = [&](provider_profile& existing) {
    if (existing.base_url != wanted.base_url || existing.protocol != wanted.protocol)
      return false;
    if (existing.key.empty())
      existing.key = wish.key;
    return wish.key.empty() || wish.key == existing.key || holds(existing, wish.key);
  };
  if (serves(base))
    return base.id;
  for (auto& existing : providers)
    if (serves(existing))
      return existing.id;
  if (!wish.key.empty()) {
    forget_keys(wanted);
    wanted.key = wish.key;
  }
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
  model.prices = codecs::prices_at(codecs::shipped_catalogue(), provider.value, wire_model);
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

result<void> add_model(const written_model& written, const node& tree, settings& out) {
  auto model = build_model(written, tree, out);
  if (!model)
    return model.error();
  out.models.push_back(std::move(*model));
  return {};
}

result<void> build_fleet(const document& written, const node& tree, settings& out) {
  out.providers = builtin_profiles();
  for (auto& profile : out.providers)
    apply_builtin_preset(profile, pool_of(out, profile.id));
  for (const auto& provider : written.providers)
    if (auto applied = apply_written(provider, tree, out); !applied)
      return applied;
  for (auto& profile : out.providers)
    settle_pool(profile, pool_of(out, profile.id));
  for (const auto& one : written.models)
    if (auto added = add_model(one, tree, out); !added)
      return added;
  for (auto& model : simulated_models())
    if (std::none_of(out.models.begin(), out.models.end(),
                     [&](const auto& one) { return one.id == model.id; }))
      out.models.push_back(std::move(model));
  name_missing_keys(out);
  return build_routes(written, tree, out);
}

} // namespace assay::config
