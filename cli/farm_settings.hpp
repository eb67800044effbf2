#pragma once

#include "actors/fleet/model_directory.hpp"
#include "actors/supervision/root_supervisor.hpp"
#include "config/models.hpp"
#include "config/settings.hpp"
#include "io/runtime.hpp"
#include "storage/store.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay {
class python_processes;
}

namespace assay::cli {

class stored_models;

// What the farm's parts are told, from the configuration and from what an earlier process left in the store.

storage::store_options store_options_from(const config::storage_settings& settings);
control::retry_rules retry_rules_from(const config::retry_settings& settings);
monitoring::thresholds thresholds_from(const config::monitoring_settings& settings);
std::vector<control::named_route> routes_of(const config::settings& settings);
sandbox_config sandbox_from(const config::sandbox_settings& settings, io::io_runtime& runtime);
python_host_config python_host_from(const config::python_settings& settings,
                                    const python_processes& processes);

/// Resolves a name as the admission of runs does. @param deleted_too For runs that have pinned it.
result<config::resolved_model> resolve_with_stored(const config::settings& settings,
                                                   const stored_models& stored, const std::string& name,
                                                   bool deleted_too);

model_lookup lookup_in(std::shared_ptr<const config::settings> settings,
                       std::shared_ptr<const stored_models> stored);

/// What providers remembered in an earlier process. Losing it costs caution, not correctness.
std::map<provider_id, std::string> read_memories(const std::shared_ptr<storage::store>& store);

/// What was changed of routes in an earlier process. Without it they are as configured.
std::optional<std::string> read_route_changes(const std::shared_ptr<storage::store>& store);

/// What an earlier process had spent and granted.
result<std::map<std::string, std::string>> read_budgets(const std::shared_ptr<storage::store>& store);

} // namespace assay::cli
