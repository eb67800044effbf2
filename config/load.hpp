#pragma once

#include "config/settings.hpp"
#include "core/values/errors.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace assay::config {

/// Variables by name.
using environment_map = std::map<std::string, std::string, std::less<>>;

/// From where to load.
struct load_request {
  /// Dotted keys and their texts (`server.port`, `8080`), the strongest layer. A text that starts with [ or {
  /// is YAML.
  std::vector<std::pair<std::string, std::string>> flags;
  environment_map environment;  ///< Usually process_environment().
  std::string environment_name; ///< Empty: ASSAY_ENV, else FASTAPI_ENV, else development.
  std::string config_dir; ///< Empty: ASSAY_CONFIG_DIR, else ./config if it is there, else the installed one.
  std::vector<std::string> files; ///< More files, laid over those of the folder in this order.
  std::string working_dir;        ///< Absolute; what relative paths start from. Empty: the process's.
  std::string executable_dir;     ///< For the shipped tasks. Empty: none.
  std::string home_dir;           ///< For ~/.datapresso/.env. Empty: $HOME.
  bool read_dotenv = true;
};

/// @returns the variables of this process.
environment_map process_environment();

/// @returns the folder of the running program, or an empty text when the system does not say.
std::string executable_folder();

/// Loads all layers: flags over environment over files over built-in defaults. Among files, in config_dir:
/// default < model_configs < evaluation_configs < {environment} < local, each .yaml, .yml or .json, then
/// `files`.
/// @returns the first thing that is wrong, with file:line and key path; the hint names the others.
result<settings> load(const load_request& request);

/// @returns the settings for --show-config, every secret as ***.
nlohmann::json dump(const settings& values);

} // namespace assay::config
