#pragma once

#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "core/values/errors.hpp"
#include "core/values/secret.hpp"
#include "storage/key_vault.hpp"
#include "storage/store.hpp"
#include "storage/write_batch.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace assay::cli {

/// The master password of the key store: ASSAY_MASTER_PASSWORD, else the first line of the file that
/// ASSAY_MASTER_PASSWORD_FILE names. Nothing when neither is set; a fault when the file cannot be read.
result<std::optional<secret>> given_master_password();

/// The same, else asked for on the terminal. @param fresh There is none yet: asked for twice.
result<secret> master_password(bool fresh);

/// @returns the keys stored in the data folder, sealed; none when there is no folder.
result<std::vector<storage::stored_key>> stored_keys(const config::settings& settings);

/// Adds the keys of the data folder to the pools of their providers. Without the master password a warning of
/// @p settings names what is missing, unless @p ask: then the terminal is asked.
/// @returns errc::unauthenticated for a wrong password.
result<void> join_stored_keys(config::settings& settings, bool ask = false);

/// The same, from a store that this process has open already.
result<void> join_stored_keys(config::settings& settings, const std::shared_ptr<storage::store>& from);

/// load_settings(), with the stored keys.
result<config::settings> load_settings_with_keys(const command_context& context);

/// Writes to a store that no farm uses, and waits.
std::optional<fault> write_and_wait(const std::shared_ptr<storage::store>& where, storage::write_batch batch);

} // namespace assay::cli
