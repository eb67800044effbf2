#pragma once

#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "server/edge.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace assay::cli {

/// The settings of a server while it runs. Any thread may reload them.
class live_settings {
public:
  /// @returns what has changed, by key.
  using key_reader = std::function<result<std::vector<std::string>>()>;

  /// @param started What the farm and the edge were started with.
  /// @param take_up_keys Reads the stored keys again and gives them to the farm.
  live_settings(const command_context& context, std::shared_ptr<const config::settings> started,
                key_reader take_up_keys);

  /// Reads flags, environment, files and stored keys again. What can change while the farm runs does: the
  /// settings of `logging`, and the stored keys. The rest is named, by key, as often as it is asked for and
  /// differs. When the configuration is wrong nothing changes. @returns what load_settings() returns then.
  result<server::reload_report> reload();

private:
  const command_context& context_;
  const std::shared_ptr<const config::settings> started_;
  const key_reader take_up_keys_;
  std::mutex mutex_;                                ///< Guards what follows.
  std::shared_ptr<const config::settings> present_; ///< As read last.
};

/// @returns the keys whose values differ, in order: `server.port`, `models.gpt-4o.max_tokens`.
std::vector<std::string> changed_settings(const config::settings& before, const config::settings& after);

} // namespace assay::cli
