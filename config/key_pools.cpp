#include "config/key_pools.hpp"

#include "config/environment.hpp"
#include "config/fleet.hpp"
#include "core/values/key_fingerprint.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>

namespace assay::config {

namespace {

/// A strategy with its numbers.
struct preset {
  std::string_view name;
  key_strategy strategy;
  uint32_t workers_per_prompt_type;
  uint32_t workers; ///< Of one key and model; 0: no such limit.
};

constexpr std::array<preset, 3> presets{{{"azure", key_strategy::wide, 50, 0},
                                         {"user_azure", key_strategy::wide, 50, 0},
                                         {"ideallab", key_strategy::by_prompt_type, 5, 5}}};

/// The prompt types of a batch whose configuration names none.
constexpr std::array<const char*, 3> usual_prompt_types{"baseline", "cot", "optimal"};

void apply(const preset& wanted, provider_profile& profile, key_pool& pool) {
  pool.strategy = wanted.strategy;
  pool.workers = wanted.workers;
  profile.workers_per_prompt_type = wanted.workers_per_prompt_type;
  if (profile.limits.concurrent_requests == 0)
    profile.limits.concurrent_requests = wanted.workers;
}

const preset* preset_named(std::string_view name) {
  const auto* found = std::ranges::find(presets, name, &preset::name);
  return found == presets.end() ? nullptr : found;
}

key_strategy strategy_named(std::string_view word) {
  return word == "wide"             ? key_strategy::wide
         : word == "by_prompt_type" ? key_strategy::by_prompt_type
                                    : key_strategy::automatic;
}

/// "file:line providers.x.keys[1].name": where it was written.
std::string place(const node& tree, const std::string& provider, std::string_view key,
                  std::optional<size_t> number = {}, std::string_view member = {}) {
  std::string path = "providers." + provider + "." + std::string(key);
  const node* here = &tree;
  const auto go = [&here](const node* next) { here = next == nullptr ? here : next; };
  go(here->find("providers"));
  go(here->find(provider));
  go(here->find(key));
  if (number) {
    path += "[" + std::to_string(*number) + "]";
    if (*number < here->items.size())
      go(&here->items[*number]);
  }
  if (!member.empty()) {
    path.append(".").append(member);
    go(here->find(member));
  }
  return to_string(here->at) + " " + path;
}

bool has_value(const std::vector<provider_key>& keys, const secret& value) {
  return std::ranges::any_of(keys, [&](const provider_key& key) { return key.value == value; });
}

bool has_name(const std::vector<provider_key>& keys, const std::string& name) {
  return std::ranges::any_of(keys, [&](const provider_key& key) { return key.name == name; });
}

result<void> take_strategy(const written_provider& written, const node& tree, provider_profile& profile,
                           key_pool& pool) {
  const auto& said = written.pool;
  if (!said.strategy.empty()) {
    // A strategy of one's own starts without the numbers of the built-in preset.
    pool.strategy = strategy_named(said.strategy);
    pool.workers = 0;
    profile.workers_per_prompt_type = 0;
  }
  if (const auto* wanted = preset_named(said.preset)) {
    apply(*wanted, profile, pool);
    if (!said.strategy.empty())
      pool.strategy = strategy_named(said.strategy);
  }
  if (!said.prompt_types.empty() && pool.strategy != key_strategy::by_prompt_type)
    return fault{errc::invalid_argument, "prompt_types mean something with key_strategy: by_prompt_type only",
                 place(tree, written.id, "prompt_types"),
                 "add key_strategy: by_prompt_type, or name the prompt types of single keys"};
  if (!said.prompt_types.empty())
    pool.prompt_types = said.prompt_types;
  profile.workers_per_prompt_type = said.workers_per_prompt_type.value_or(profile.workers_per_prompt_type);
  if (said.workers)
    profile.limits.concurrent_requests = *said.workers;
  else if (profile.limits.concurrent_requests == 0)
    profile.limits.concurrent_requests = pool.workers;
  if (said.qps)
    apply_qps(*said.qps, profile.limits);
  return {};
}

result<void> check_key(const written_provider& written, size_t number, const node& tree,
                       const provider_profile& profile, const key_pool& pool) {
  const auto& key = written.pool.keys[number];
  const auto wrong = [&](std::string message, std::string_view member, std::string hint) {
    return fault{errc::invalid_argument, std::move(message), place(tree, written.id, "keys", number, member),
                 std::move(hint)};
  };
  if (key.api_key.empty())
    return wrong("a key without a value", {}, "add api_key: \"${NAME_OF_A_VARIABLE}\"");
  bool twice = !key.name.empty() && has_name(profile.keys, key.name);
  // Keys without a value are not in the profile, and their names are taken all the same.
  for (size_t i = 0; i < number; ++i)
    twice = twice || (!key.name.empty() && written.pool.keys[i].name == key.name);
  if (twice)
    return wrong("two keys are called `" + key.name + "`", "name", "give each a name of its own");
  if (pool.strategy == key_strategy::wide && !key.prompt_types.empty())
    return wrong("key_strategy: wide lets every key serve every prompt type", "prompt_types",
                 "leave prompt_types out, or say key_strategy: automatic");
  return {};
}

provider_key to_key(const written_key& written) {
  provider_key out;
  out.name = written.name;
  out.value = written.api_key;
  out.weight = written.weight;
  out.limits = written.limits;
  if (written.qps)
    apply_qps(*written.qps, out.limits);
  if (written.workers)
    out.limits.concurrent_requests = *written.workers;
  out.prompt_types = written.prompt_types;
  return out;
}

/// The types that nobody claims go round among the keys that claim none.
void bind_by_prompt_type(std::vector<provider_key>& keys, key_pool& pool) {
  std::vector<std::string> types = pool.prompt_types;
  if (types.empty())
    types.assign(usual_prompt_types.begin(), usual_prompt_types.end());
  std::vector<provider_key*> without;
  auto open = types;
  for (auto& key : keys) {
    if (key.prompt_types.empty())
      without.push_back(&key);
    for (const auto& type : key.prompt_types)
      std::erase(open, type);
  }
  if (open.empty())
    open = std::move(types);
  if (without.empty())
    return;
  for (size_t i = 0; i < std::max(open.size(), without.size()); ++i)
    without[i % without.size()]->prompt_types.push_back(open[i % open.size()]);
  for (const auto* key : without)
    pool.bound.push_back(key->name);
}

bool is_plain(const provider_key& key) {
  return key.name.empty() && key.weight == 1 && key.limits == rate_limits{} && key.prompt_types.empty();
}

std::string_view base_of(const provider_id& id) {
  const std::string_view text = id.value;
  return text.substr(0, text.find('@'));
}

/// @returns whether the provider is reached where the key may be sent.
bool fits(const provider_profile& profile, const offered_key& key, std::vector<std::string>& warnings) {
  const auto here = parse_endpoint(profile.base_url);
  if (here && here->origin == key.origin)
    return true;
  // Addresses that single models brought along were warned about when they were read.
  if (profile.id == key.provider)
    warnings.push_back("the stored key `" + key.key.name + "` of provider " + key.provider.value
                       + " is bound to " + key.origin + " and is not used: the provider "
                       + (here ? "is reached at " + here->origin : std::string("has no address")));
  return false;
}

/// @returns whether the key went into the pool.
bool offer(provider_profile& profile, const offered_key& offered, std::vector<std::string>& warnings) {
  auto& keys = profile.keys;
  if (!fits(profile, offered, warnings) || profile.key == offered.key.value
      || has_value(keys, offered.key.value))
    return false;
  if (has_name(keys, offered.key.name)) {
    warnings.push_back("the stored key `" + offered.key.name + "` of provider " + offered.provider.value
                       + " is not used: the configuration has a key of that name");
    return false;
  }
  if (keys.empty() && !profile.key.empty()) {
    provider_key only;
    only.value = profile.key;
    keys.push_back(std::move(only));
  }
  keys.push_back(offered.key);
  return true;
}

} // namespace

void apply_qps(double qps, rate_limits& out) {
  constexpr double seconds_per_minute = 60;
  if (qps >= 1)
    out.requests_per_second = static_cast<uint32_t>(qps);
  else
    out.requests_per_minute = std::max(1U, static_cast<uint32_t>(std::floor(qps * seconds_per_minute)));
}

void apply_builtin_preset(provider_profile& profile, key_pool& pool) {
  const auto& id = profile.id.value;
  if (const auto* fitting = preset_named(id == "azure_openai" ? "azure" : id))
    apply(*fitting, profile, pool);
}

result<void> take_pool(const written_provider& written, const node& tree, provider_profile& profile,
                       key_pool& pool, std::vector<std::string>& warnings) {
  if (auto taken = take_strategy(written, tree, profile, pool); !taken)
    return taken;
  std::vector<provider_key> unnamed;
  const auto take_unnamed = [&](const secret& value) {
    if (value.empty() || has_placeholder(value.reveal()) || has_value(profile.keys, value)
        || has_value(unnamed, value))
      return;
    provider_key key;
    key.value = value;
    unnamed.push_back(std::move(key));
  };
  const auto before = profile.keys.size();
  for (size_t i = 0; i < written.pool.keys.size(); ++i) {
    const auto& one = written.pool.keys[i];
    if (auto good = check_key(written, i, tree, profile, pool); !good)
      return good;
    const auto shown = one.name.empty() ? "keys[" + std::to_string(i) + "]" : "key `" + one.name + "`";
    if (has_placeholder(one.api_key.reveal()))
      warnings.push_back("provider " + written.id + ": " + shown + " is not set and is left out");
    else if (has_value(profile.keys, one.api_key))
      warnings.push_back("provider " + written.id + ": " + shown
                         + " is another's value again and is left out");
    else
      profile.keys.push_back(to_key(one));
  }
  take_unnamed(profile.key);
  for (const auto& value : written.pool.api_keys)
    take_unnamed(value);
  // The key of one's own first, as it is the one that calls outside of the pool use.
  profile.keys.insert(profile.keys.begin() + static_cast<std::ptrdiff_t>(before),
                      std::make_move_iterator(unnamed.begin()), std::make_move_iterator(unnamed.end()));
  return {};
}

void settle_pool(provider_profile& profile, key_pool& pool) {
  auto& keys = profile.keys;
  if (keys.empty())
    return;
  profile.key = keys.front().value;
  // A provider with one key and nothing to say about it needs no pool.
  if (keys.size() == 1 && is_plain(keys.front())) {
    keys.clear();
    return;
  }
  for (auto& key : keys)
    if (std::ranges::find(pool.bound, key.name) != pool.bound.end())
      key.prompt_types.clear();
  pool.bound.clear();
  size_t number = 0;
  for (auto& key : keys) {
    ++number;
    if (key.name.empty()) {
      auto free = number;
      while (has_name(keys, "key-" + std::to_string(free)))
        ++free;
      key.name = "key-" + std::to_string(free);
    }
    if (key.fingerprint.empty())
      key.fingerprint = key_fingerprint(key.value);
  }
  if (pool.strategy == key_strategy::by_prompt_type)
    bind_by_prompt_type(keys, pool);
}

void add_offered_keys(settings& to, const std::vector<offered_key>& offered) {
  std::map<std::string, secret, std::less<>> configured;
  for (const auto& profile : to.providers)
    if (base_of(profile.id) == profile.id.value)
      configured.emplace(profile.id.value, profile.key);
  for (auto& profile : to.providers) {
    const auto base = configured.find(base_of(profile.id));
    // A provider that a model brought along with a key of its own keeps to that.
    const bool inherits = profile.key.empty() || (base != configured.end() && base->second == profile.key);
    bool changed = false;
    for (const auto& key : offered)
      if (inherits && base_of(profile.id) == key.provider.value)
        changed = offer(profile, key, to.warnings) || changed;
    if (!changed)
      continue;
    auto pool = std::ranges::find(to.key_pools, base_of(profile.id),
                                  [](const key_pool& one) { return std::string_view(one.provider.value); });
    key_pool none;
    auto& plan = pool == to.key_pools.end() ? none : *pool;
    if (profile.id == plan.provider || pool == to.key_pools.end()) {
      settle_pool(profile, plan);
      continue;
    }
    auto copy = plan;
    settle_pool(profile, copy);
  }
  for (const auto& key : offered)
    if (!configured.contains(key.provider.value))
      to.warnings.push_back("the stored key `" + key.key.name + "` is not used: there is no provider "
                            + key.provider.value);
  name_missing_keys(to);
}

} // namespace assay::config
