#pragma once

#include "config/document.hpp"
#include "config/providers.hpp"
#include "config/settings.hpp"
#include "config/tree.hpp"
#include "core/codecs/catalogue.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace assay::config {

/// How a model wants to reach its provider, where that differs from the provider's own configuration.
struct provider_wish {
  std::optional<endpoint_url> endpoint;
  std::optional<wire_protocol> protocol;
  secret key; ///< Empty: the provider's.
};

/// Finds or makes the provider that fulfils @p wish, starting from the one called @p base, which must exist.
/// A key is never inherited by another origin than the one it was configured for.
/// @returns its id; @p warnings gets what the user should know.
provider_id place_provider(std::vector<provider_profile>& providers, std::string_view base,
                           const provider_wish& wish, std::vector<std::string>& warnings);

/// @returns the provider's protocol by name, or a fault that lists the names.
result<wire_protocol> protocol_by_name(std::string_view name);

/// @returns a profile filled from the catalogue as far as it knows the model.
model_profile profile_of(std::string_view id, std::string_view wire_model, const provider_id& provider);

/// @returns the simulated model `sim-pNN`; nothing for any other name.
std::optional<model_profile> simulated_by_percent(std::string_view id);

/// Names providers without a key in one warning, which replaces an earlier one.
void name_missing_keys(settings& out);

/// Turns what was written under `providers` and `models` into profiles. @param tree for the places in errors.
result<void> build_fleet(const document& written, const node& tree, settings& out);

/// Adds one more model to @p out, as build_fleet() adds those that were written. @param tree for the places
/// in errors.
result<void> add_model(const written_model& written, const node& tree, settings& out);

/// Resolves the models that `routes` and `fallbacks` name and lets a route be asked for like a model.
result<void> build_routes(const document& written, const node& tree, settings& out);

/// "config/models.yaml:12 models.a.fallbacks": where a value was written, as far as it is there.
std::string place_of(const node& tree, std::initializer_list<std::string_view> path);

} // namespace assay::config
