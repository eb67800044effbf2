#pragma once

#include "config/document.hpp"
#include "config/settings.hpp"
#include "config/tree.hpp"

#include <string_view>
#include <vector>

namespace assay::config {

/// Reads "requests per second" into @p out: from 1 a limit per second, below it one per minute.
void apply_qps(double qps, rate_limits& out);

/// Gives a built-in provider the preset that fits it: azure_openai, user_azure and ideallab have one.
void apply_builtin_preset(provider_profile& profile, key_pool& pool);

/// Takes up what was written about a provider's keys; its own `api_key` is in @p profile already.
/// @param tree for the places in errors.
result<void> take_pool(const written_provider& written, const node& tree, provider_profile& profile,
                       key_pool& pool, std::vector<std::string>& warnings);

/// Ends the taking up: keys get names, fingerprints and, by the strategy, their prompt types. May be called
/// again after keys were added. profile.key is the first key of the pool then.
void settle_pool(provider_profile& profile, key_pool& pool);

/// A key from outside of the configuration.
struct offered_key {
  provider_id provider;
  std::string origin; ///< Where alone it may be sent: `https://api.openai.com`.
  provider_key key;
};

/// Adds keys to the pools of their providers. A key is left out, with a warning, when its provider is reached
/// at another origin than the key's own, or is not configured.
void add_offered_keys(settings& to, const std::vector<offered_key>& keys);

} // namespace assay::config
