#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace assay::tasks {

/// Where data of tasks may lie, beside the folder of tasks that names it.
struct data_places {
  std::vector<std::string> roots; ///< Absolute folders.
  /// Files that say where datasets of a hub lie, beside `datasets.yaml` in the task's folder and in those
  /// above it.
  std::vector<std::string> maps;
  /// The same as a JSON object: `name` or `name:config` to a file, a list of files, or these by split;
  /// absolute. Goes before the files; what it names may lie anywhere. Empty: none.
  std::string datasets;
};

/// @returns whether @p path, symbolic links followed, lies in @p root or is it; true for an empty root.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& root);

/// @returns whether it lies in one of @p roots; false for none.
bool lies_in_any(const std::filesystem::path& path, const std::vector<std::string>& roots);

} // namespace assay::tasks
