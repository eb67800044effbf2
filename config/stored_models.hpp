#pragma once

#include "config/settings.hpp"
#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Model configurations that are kept in the store: read with the table of `models`, and made into models of
/// the farm like those of model_configs.yaml.
namespace assay::config {

/// One configuration, checked by itself.
struct read_model {
  std::string id;
  std::string configuration;      ///< JSON object text in the shape of model_configs.yaml.
  std::vector<std::string> notes; ///< What its author should know.
};

/// Reads one configuration. Also understood are the names rate_limit_config for rate_limits, and the members
/// of cost_management and performance_targets beside the group. Keys in plain text are refused; `${NAME}` is
/// kept.
/// @param fields A JSON object. @returns invalid_argument whose `where` is the field
/// (`task_optimizations.bug_fix.temperature`); `api_key` is never told.
result<read_model> read_model_configuration(const std::string& id, const nlohmann::json& fields);

/// Reads all models of a text in the shape of model_configs.yaml, which may be JSON too. Everything wrong is
/// told in one fault, with lines. @param source names the text in errors. @returns malformed_input for a text
/// that is no YAML, invalid_argument for one without models and for what read_model_configuration() refuses.
result<std::vector<read_model>> read_model_configurations(const std::string& yaml, const std::string& source);

/// @returns a text in the shape of model_configs.yaml. @param models Ids with JSON object texts.
std::string to_model_configs_yaml(const std::vector<std::pair<std::string, std::string>>& models);

/// @returns @p from with the stored configuration as one more model, whose configuration_version is
/// @p version; its notes are all that stands in `warnings`. Its model goes before one of the catalogue with
/// the same name; there must be no configured one, see is_shadowed(). Providers that are not in @p from have
/// been added for it when it names an address of its own.
/// @returns invalid_argument whose `where` is the field when it can be no model of this farm.
result<settings> with_stored_model(const settings& from, const std::string& id,
                                   const std::string& configuration, uint64_t version);

/// @returns whether the farm's own configuration, or the shipped simulation, has a model of this name, which
/// then goes before the stored one.
bool is_shadowed(const settings& from, const std::string& id);

/// @returns unsupported, naming the field, when the model @p id of @p with reaches a provider that @p from
/// does not have: a running farm takes up no address that is not configured.
result<void> check_known_provider(const settings& from, const settings& with, const std::string& id);

} // namespace assay::config
