#pragma once

#include "config/settings.hpp"
#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/model.hpp"

#include <string_view>
#include <vector>

namespace assay::config {

/// A model together with the provider that serves it.
struct resolved_model {
  model_profile model;
  /// Usually one of settings.providers. One that `base_url` made up is not among them.
  provider_profile provider;
  /// The address comes from model_args: who passes on somebody else's model_args decides whether that is
  /// allowed.
  bool custom_endpoint = false;
};

/// Finds the model that a user means.
/// @param model a configured id (`claude-3-haiku`), a simulated one (`sim-strong`, or `sim-p70`, right in 70
/// % of its answers), a name of the catalogue (`gpt-4o`), `provider/name`, or a word for a provider
/// (`claude-local`, `openai-completions`) with the name in @p model_args.
/// @param model_args `model=NAME,base_url=URL,max_retries=3,num_concurrent=5,...`; may be empty.
/// @returns not_found with near names in the hint, or invalid_argument for model_args that make no sense.
result<resolved_model> resolve_model(const settings& from, std::string_view model,
                                     std::string_view model_args = {});

/// @returns the configured or simulated model, or null.
const model_profile* find_model(const settings& from, const model_id& id) noexcept;

/// @returns the provider, or null.
const provider_profile* find_provider(const settings& from, const provider_id& id) noexcept;

/// @returns what can be evaluated now: configured and simulated models, and those of the catalogue that are
/// not retired, answer with text, and whose provider has a key.
std::vector<model_profile> available_models(const settings& from);

/// @returns nothing wrong, or why no call to this provider can succeed: no address or no key. The fault names
/// the field `model_id`: who asks chose a model.
result<void> check_usable(const provider_profile& provider);

/// @returns whether all that this provider lacks is its key.
bool lacks_key(const provider_profile& provider) noexcept;

} // namespace assay::config
