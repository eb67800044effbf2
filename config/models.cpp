#include "config/models.hpp"

#include "config/fields.hpp"
#include "config/fleet.hpp"
#include "core/values/simulated_model.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace assay::config {

namespace {

/// model_args taken apart.
struct model_arguments {
  std::string name;
  std::string base_url;
  std::optional<uint32_t> max_retries;
  std::optional<uint32_t> num_concurrent;
  std::optional<double> timeout;
  sampling parameters;
};

template <class T>
result<T> parse_number(std::string_view key, std::string_view text, double least, double most) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = !text.empty() && error == std::errc{} && end == text.data() + text.size();
  if (!whole || !(static_cast<double>(value) >= least && static_cast<double>(value) <= most))
    return fault{errc::invalid_argument, "`" + std::string(text) + "` is out of range or no number",
                 "model_args." + std::string(key), ""};
  return value;
}

template <class T, class Target>
result<void> take_number(std::string_view key, std::string_view text, double least, double most,
                         Target& out) {
  const auto value = parse_number<T>(key, text, least, most);
  if (!value)
    return value.error();
  out = *value;
  return {};
}

result<void> take_argument(std::string_view key, std::string_view value, model_arguments& out) {
  if (key == "model" || key == "pretrained") {
    out.name = value;
    return {};
  }
  if (key == "base_url") {
    out.base_url = value;
    return {};
  }
  if (key == "max_retries")
    return take_number<uint32_t>(key, value, 0, 100, out.max_retries);
  if (key == "num_concurrent")
    return take_number<uint32_t>(key, value, 1, 100'000, out.num_concurrent);
  if (key == "timeout")
    return take_number<double>(key, value, 0.1, 86'400, out.timeout);
  if (key == "temperature")
    return take_number<double>(key, value, 0, 2, out.parameters.temperature);
  if (key == "top_p")
    return take_number<double>(key, value, 0, 1, out.parameters.top_p);
  if (key == "max_tokens" || key == "max_gen_toks")
    return take_number<uint32_t>(key, value, 1, 1e8, out.parameters.max_tokens);
  if (key == "seed")
    return take_number<int64_t>(key, value, -9e15, 9e15, out.parameters.seed);
  static const std::vector<std::string> known{"model",          "base_url",   "max_retries",
                                              "num_concurrent", "timeout",    "temperature",
                                              "top_p",          "max_tokens", "seed"};
  auto hint = did_you_mean(key, known);
  if (hint.empty())
    hint = "known are model, base_url, max_retries, num_concurrent, timeout, temperature, top_p, max_tokens "
           "and seed";
  return fault{errc::invalid_argument, "unknown argument", "model_args." + std::string(key), hint};
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' '))
    text.remove_prefix(1);
  while (text.ends_with(' '))
    text.remove_suffix(1);
  return text;
}

result<model_arguments> parse_arguments(std::string_view text) {
  model_arguments out;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    const auto part = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty())
      continue;
    const auto equals = part.find('=');
    if (equals == std::string_view::npos)
      return fault{errc::invalid_argument, "`" + std::string(part) + "` is not NAME=VALUE", "model_args",
                   "write model=NAME,base_url=URL,max_retries=3,num_concurrent=5"};
    if (auto taken = take_argument(trimmed(part.substr(0, equals)), trimmed(part.substr(equals + 1)), out);
        !taken)
      return taken.error();
  }
  return out;
}

/// @returns the provider of a profile as the documents name it: `gemini` for `gemini@openrouter.ai`.
std::string_view kind_of(const provider_id& id) {
  const std::string_view text = id.value;
  return text.substr(0, text.find('@'));
}

/// A route looks like its first model, but is none.
bool is_route(const model_profile& model) {
  return !model.route.models.empty() && model.route.models.front().model != model.id;
}

/// Looks for a configured model that is this name at this provider, so that its limits and budgets hold
/// however it is asked for.
const model_profile* configured_as(const settings& from, std::string_view provider, std::string_view name) {
  for (const auto& model : from.models)
    if (!is_route(model) && kind_of(model.provider) == provider
        && (model.id.value == name || model.wire_model == name))
      return &model;
  return nullptr;
}

model_profile base_profile(const settings& from, std::string_view provider, std::string_view name) {
  if (const auto* model = configured_as(from, provider, name))
    return *model;
  if (provider == "mock")
    if (auto simulated = simulated_by_percent(name))
      return std::move(*simulated);
  auto model = profile_of(name, name, provider_id(std::string(provider)));
  // The alias of a configured model leads to it as well.
  if (const auto* configured = configured_as(from, provider, model.wire_model))
    return *configured;
  model.simulated = provider == "mock";
  return model;
}

bool is_reachable(const settings& from, std::string_view id) {
  const auto* provider = find_provider(from, provider_id(std::string(id)));
  return provider != nullptr && !provider->base_url.empty()
         && (!provider->key_required || !provider->key.empty());
}

/// Models that batches are used to find at other providers than the catalogue's.
struct other_home {
  std::string_view model;
  std::string_view provider;
};
constexpr std::array<other_home, 5> other_homes{{{"gpt-4o-mini", "azure_openai"},
                                                 {"gpt-4o-mini", "user_azure"},
                                                 {"gpt-5-nano", "user_azure"},
                                                 {"gpt-5-nano", "azure_openai"},
                                                 {"qwen2.5-3b-instruct", "ideallab"}}};

/// @returns who serves a model of the catalogue: its own provider, unless only another home of it is
/// configured.
std::string_view home_of(const settings& from, const codecs::catalogue_entry& entry) {
  if (!is_reachable(from, entry.provider.value))
    for (const auto& other : other_homes)
      if (other.model == entry.id && is_reachable(from, other.provider))
        return other.provider;
  return entry.provider.value;
}

fault unknown_model(const settings& from, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& model : from.models)
    names.push_back(model.id.value);
  for (const auto& entry : codecs::shipped_catalogue().entries()) {
    names.push_back(entry.id);
    names.insert(names.end(), entry.aliases.begin(), entry.aliases.end());
  }
  auto hint = did_you_mean(name, names);
  if (hint.empty())
    hint = "GET /models or `assay models` lists what is known; `provider/name` reaches any other";
  return {errc::not_found, "no model is called `" + std::string(name) + "`", "model", std::move(hint)};
}

result<model_profile> profile_by_name(const settings& from, std::string_view model, const std::string& name) {
  if (const auto* configured = find_model(from, model_id(std::string(model)))) {
    if (!name.empty() && name != configured->wire_model && name != configured->id.value)
      return fault{errc::invalid_argument,
                   "model `" + std::string(model) + "` is configured as `" + configured->wire_model
                       + "`, but model_args say `" + name + "`",
                   "model_args.model", "leave model= out, or name the provider as the model"};
    return *configured;
  }
  if (simulated_percent(model) && (name.empty() || name == model))
    return base_profile(from, "mock", model);
  std::string_view provider = provider_of_word(model);
  if (find_provider(from, provider_id(std::string(model))) != nullptr)
    provider = model;
  if (!provider.empty()) {
    if (name.empty())
      return fault{errc::invalid_argument,
                   "`" + std::string(model) + "` is a provider and needs the name of a model", "model_args",
                   "add model=NAME"};
    return base_profile(from, provider, name);
  }
  if (!name.empty())
    return fault{errc::not_found, "`" + std::string(model) + "` is no provider", "model",
                 did_you_mean(model, provider_words())};
  if (const auto slash = model.find('/'); slash != std::string_view::npos) {
    const auto prefix = model.substr(0, slash);
    const auto word = provider_of_word(prefix);
    const bool configured = find_provider(from, provider_id(std::string(prefix))) != nullptr;
    if (configured || !word.empty())
      return base_profile(from, configured ? prefix : word, model.substr(slash + 1));
  }
  if (const auto* entry = codecs::shipped_catalogue().find(model);
      entry != nullptr && model.find('/') == std::string_view::npos)
    return base_profile(from, home_of(from, *entry), model);
  return unknown_model(from, model);
}

} // namespace

result<resolved_model> resolve_model(const settings& from, std::string_view model,
                                     std::string_view model_args) {
  auto arguments = parse_arguments(model_args);
  if (!arguments)
    return arguments.error();
  auto profile = profile_by_name(from, model, arguments->name);
  if (!profile)
    return profile.error();
  resolved_model out;
  auto providers = from.providers;
  if (!arguments->base_url.empty()) {
    const auto kind = kind_of(profile->provider);
    auto url = parse_provider_url(kind, arguments->base_url);
    if (!url) {
      auto wrong = url.error();
      wrong.where = "model_args.base_url";
      return wrong;
    }
    provider_wish wish;
    wish.endpoint = *url;
    std::vector<std::string> ignored;
    profile->provider = place_provider(providers, profile->provider.value, wish, ignored);
    out.custom_endpoint = find_provider(from, profile->provider) == nullptr;
  }
  profile->defaults = overlay(std::move(profile->defaults), arguments->parameters);
  if (arguments->max_retries)
    profile->max_retries = arguments->max_retries;
  if (arguments->num_concurrent)
    profile->limits.concurrent_requests = *arguments->num_concurrent;
  if (arguments->timeout)
    profile->call_timeout = milliseconds{static_cast<milliseconds::rep>(*arguments->timeout * 1000)};
  const auto provider = std::find_if(providers.begin(), providers.end(),
                                     [&](const auto& one) { return one.id == profile->provider; });
  if (provider == providers.end())
    return fault{errc::internal, "the provider `" + profile->provider.value + "` is not configured", "model",
                 ""};
  out.provider = *provider;
  out.model = std::move(*profile);
  return out;
}

tenant_rules tenant_rules_of(const settings& from, std::string_view tenant) {
  const tenant_settings* found = nullptr;
  for (const auto& one : from.tenants)
    if (one.id == tenant || (found == nullptr && one.id == "default"))
      found = &one;
  return found != nullptr ? found->rules : tenant_rules{};
}

const model_profile* find_model(const settings& from, const model_id& id) noexcept {
  const auto found =
      std::find_if(from.models.begin(), from.models.end(), [&](const auto& model) { return model.id == id; });
  return found == from.models.end() ? nullptr : &*found;
}

const provider_profile* find_provider(const settings& from, const provider_id& id) noexcept {
  const auto found = std::find_if(from.providers.begin(), from.providers.end(),
                                  [&](const auto& one) { return one.id == id; });
  return found == from.providers.end() ? nullptr : &*found;
}

std::vector<model_profile> available_models(const settings& from) {
  auto models = from.models;
  for (const auto& entry : codecs::shipped_catalogue().entries()) {
    const auto home = provider_id(std::string(home_of(from, entry)));
    const auto* provider = find_provider(from, home);
    if (entry.deprecated || !entry.answers_with_text() || provider == nullptr || provider->key.empty())
      continue;
    if (configured_as(from, home.value, entry.id) == nullptr)
      models.push_back(profile_of(entry.id, entry.id, home));
  }
  return models;
}

result<void> check_usable(const provider_profile& provider) {
  const auto& id = provider.id.value;
  if (provider.base_url.empty()) {
    std::string variable;
    for (const auto& builtin : builtin_providers())
      if (builtin.id == id && !builtin.url_variable.empty())
        variable = " or " + std::string(builtin.url_variable);
    return fault{errc::invalid_argument, "provider " + id + " has no address", "model_id",
                 "set providers." + id + ".base_url" + variable};
  }
  // Not credentials_rejected: no provider has refused anything, the configuration here is incomplete.
  if (provider.key_required && provider.key.empty())
    return fault{errc::invalid_argument, "provider " + id + " has no key", "model_id",
                 "set " + key_variable(id) + " or providers." + id
                     + ".api_key, or store one: assay keys add"};
  return {};
}

bool lacks_key(const provider_profile& provider) noexcept {
  return !provider.base_url.empty() && provider.key_required && provider.key.empty();
}

} // namespace assay::config
