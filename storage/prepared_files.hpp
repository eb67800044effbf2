#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/time.hpp"
#include "storage/store.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace assay::storage {

/// Files of prepared tasks that nobody needs.
struct unused_files {
  std::vector<std::filesystem::path> files;
  uint64_t bytes = 0;
};

/// Finds files of prepared tasks that no run pins, and what is left of preparations that broke off. Other
/// files of the folder are nobody's to remove. Only while no farm runs is the answer final: a preparation
/// that is under way has no run yet.
/// @param folder The data folder's `prepared`; one that does not exist holds nothing.
/// @param before Files that were changed since stay. @param gone Runs that do not count.
result<unused_files> find_unused_files(const std::shared_ptr<store>& from,
                                       const std::filesystem::path& folder, wall_time before,
                                       const std::vector<run_id>& gone = {});

/// Removes them. @returns store_unreadable with the first file that cannot be.
result<void> remove_files(const unused_files& which);

} // namespace assay::storage
