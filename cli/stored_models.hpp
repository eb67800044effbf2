#pragma once

#include "cli/present.hpp"
#include "config/settings.hpp"
#include "core/configurations/stored_configuration.hpp"
#include "core/values/errors.hpp"
#include "storage/store.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay::cli {

/// The stored model configurations of a running farm, as models of it. Reads the present version each time
/// and remembers what it was made into. For any thread.
class stored_models {
public:
  /// @param settings The present settings of the farm.
  stored_models(std::shared_ptr<const present<config::settings>> settings,
                std::shared_ptr<storage::store> store);

  /// @returns the settings with the stored configuration @p id as one more model; null when none is stored.
  /// @param deleted_too Then the last version before the deletion counts: runs that have pinned it go on.
  result<std::shared_ptr<const config::settings>> settings_with(const std::string& id,
                                                                bool deleted_too) const;

private:
  struct entry {
    uint64_t version = 0;
    std::shared_ptr<const config::settings> base; ///< The settings of the farm that it was made from.
    std::shared_ptr<const config::settings> made;
  };

  const std::shared_ptr<const present<config::settings>> settings_;
  const std::shared_ptr<storage::store> store_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, entry> made_; ///< By id.
};

/// Adds every stored configuration whose name the settings do not have to their models, for commands that
/// work without a server. What cannot be read or used becomes a warning.
void join_stored_models(config::settings& settings);

/// Checks a configuration as a model of the farm. @param check_address Judges an address that no provider of
/// the farm has, to say the better reason; may block. Empty: nobody does.
/// @returns what its author should know, or what config::with_stored_model() and
/// config::check_known_provider() refuse.
result<std::vector<std::string>>
check_configuration(const config::settings& settings, const std::string& id, const std::string& configuration,
                    const std::function<result<void>(const std::string& base_url)>& check_address);

} // namespace assay::cli
