#pragma once

#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "core/tasks/task_catalogue.hpp"
#include "core/values/errors.hpp"
#include "storage/store.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace assay::cli {

/// Who tells of values that have no effect, such as DEBUG=maybe.
enum class ignored_values : uint8_t { are_shown, are_logged };

/// The configuration as the flags, the environment and the files give it. Values that are ignored are
/// remarked upon, unless the caller logs the warnings.
result<config::settings> load_settings(const command_context& context,
                                       ignored_values told = ignored_values::are_shown);

/// Where tasks may find their data besides their folders.
tasks::data_places data_places_of(const config::settings& settings);

/// Loads the tasks of the configured folders and of @p more_folders. Broken files are remarked upon and left
/// out;
/// @p faults gets them when given.
std::shared_ptr<const tasks::task_catalogue> load_tasks(const command_context& context,
                                                        const config::settings& settings,
                                                        const std::vector<std::string>& more_folders = {},
                                                        std::vector<fault>* faults = nullptr);

/// @returns whether a warning of the configuration only names providers without a key: a command that needs
/// one of them says so itself.
bool is_about_missing_keys(std::string_view warning) noexcept;

/// Prints the configuration's warnings, each once, except those about missing keys and ignored values.
void show_warnings(const command_context& context, const config::settings& settings);

/// Opens the data folder for reading, beside a running farm or without one.
/// @returns errc::not_found when nothing has been stored there yet.
result<std::shared_ptr<storage::store>> open_store_read_only(const config::settings& settings);

/// How a store is opened for writing.
storage::store_options store_options_of(const config::settings& settings);

/// Finds the run that a user means: an id, the unambiguous beginning or end of one, or `last`.
result<run_id> find_run_named(const std::shared_ptr<storage::store>& from, const std::string& name);

} // namespace assay::cli
