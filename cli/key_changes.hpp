#pragma once

#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "core/values/errors.hpp"
#include "storage/key_vault.hpp"
#include "storage/store.hpp"
#include "storage/write_batch.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

/// What the commands share that store and remove provider keys.
namespace assay::cli {

/// @returns the provider that a user means by its name or by a word for it.
result<const provider_profile*> find_named_provider(const config::settings& settings,
                                                    const std::string& word);

/// @returns a key of that provider, bound to its address and still without a name.
result<storage::stored_key> key_of_provider(const config::settings& settings, const std::string& word);

/// @returns `STEM-1`, or the first number that no key of the provider has.
std::string free_key_name(const std::vector<storage::stored_key>& keys, const provider_id& provider,
                          const std::string& stem);

/// The key store, opened for a change.
struct changeable_store {
  std::shared_ptr<storage::store> data;
  bool of_a_farm = false; ///< Another process has the folder and goes on with it.
};

result<changeable_store> open_for_change(const config::settings& settings);

/// Writes and waits.
std::optional<fault> write_to(const changeable_store& store, storage::write_batch batch);

/// A farm that runs goes on with the keys that it has until it is told; says how.
void say_how_to_take_up(const command_context& context, const config::settings& settings,
                        const changeable_store& store);

/// Opens the vault, asking for the master password where nobody has given it.
/// @param batch makes the vault where there is none yet.
result<storage::key_vault> open_or_create(const std::shared_ptr<storage::store>& store,
                                          storage::write_batch& batch);

/// @returns what lists show: never the key itself.
nlohmann::json to_json_shape(const storage::stored_key& key);

/// Warns when the way to the key's host is not encrypted.
void warn_of_listeners(const command_context& context, const storage::stored_key& key);

} // namespace assay::cli
