#pragma once

#include "core/tasks/data_places.hpp"
#include "core/values/errors.hpp"

#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// For the files of this folder only.
namespace assay::tasks::lm_eval {

/// A value, and the file that it stands in.
struct config_entry {
  YAML::Node node;
  std::string file;
};

/// A task file with what it includes: the keys of its outermost mapping.
struct raw_config {
  std::map<std::string, config_entry, std::less<>> entries;
  std::vector<std::string> files; ///< All that were read, the task's own first.

  const config_entry* find(std::string_view key) const;
};

/// @returns `file:line: path` for messages.
std::string place_of(const config_entry& entry, std::string_view path);

/// Reads @p file and, before it, what `include` names, relative to the file that names it: included keys come
/// first, later includes win over earlier ones and the file's own keys over all; nothing is merged deeper.
/// `task_list` is not inherited.
/// @param root Where everything must lie, symbolic links followed; empty: anywhere.
/// Fails with errc::not_found, errc::malformed_input, errc::too_large, errc::forbidden for what lies outside,
/// and errc::invalid_argument for cycles.
result<raw_config> load_config(const std::filesystem::path& file, const std::filesystem::path& root);

/// As load_config(), for a mapping that stands inside a file, such as a task of a group.
result<raw_config> load_inline(const YAML::Node& mapping, const std::string& file,
                               const std::filesystem::path& root);

} // namespace assay::tasks::lm_eval
