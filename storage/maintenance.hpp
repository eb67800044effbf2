#pragma once

#include "core/values/ids.hpp"
#include "core/values/run.hpp"
#include "storage/snapshot.hpp"
#include "storage/store.hpp"
#include "storage/tables.hpp"
#include "storage/writer.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace assay::storage {

struct table_size {
  table which = table::meta;
  uint64_t rows = 0;
  uint64_t bytes = 0; ///< Of the pages that it takes.
};

/// How large the store is and who reads it.
struct store_size {
  std::vector<table_size> tables;
  uint64_t map_bytes = 0;  ///< Reserved address space.
  uint64_t used_bytes = 0; ///< Of the map; what the file needs on disk.
  uint64_t free_bytes = 0; ///< Part of used_bytes: pages that will be used again.
  unsigned reader_slots = 0;
  unsigned reader_slots_used =
      0;                 ///< By all processes, at most at once since the first of them opened the store.
  reader_status readers; ///< Of this process.
};

/// Looks at the whole store; may take a moment on a large one.
result<store_size> measure(const std::shared_ptr<store>& which);

struct backup_options {
  /// Leave out free pages: a smaller copy, more work.
  bool compact = true;
};

struct backup_report {
  uint64_t bytes = 0;
};

/// Copies the store into @p target while the farm goes on; the copy is one consistent state. The folder is
/// created and must not hold a store. As long as the copy takes, pages that the farm frees are not used
/// again, and a full map waits to grow.
/// @returns errc::conflict when there is a store in @p target, errc::store_full, errc::store_unreadable.
result<backup_report> backup(const std::shared_ptr<store>& from, const std::filesystem::path& target,
                             const backup_options& options = {});

struct compact_report {
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
};

/// Rewrites the data file without its free pages and exchanges it atomically. Only while no farm runs and no
/// command reads: errc::store_locked, errc::busy. Needs room for the second file; on every error the old one
/// stays.
result<compact_report> compact(const store_options& options);

/// Which runs clean-up removes. Runs that are not final are never removed.
struct prune_policy {
  wall_time finished_before{};
  /// Final states that are kept all the same.
  std::vector<run_state> keep;
  /// Most runs of one call.
  size_t max_runs = 10000;
};

/// @returns the runs that @p policy removes, newest first.
result<std::vector<run_id>> find_prunable(const std::shared_ptr<store>& from, const prune_policy& policy);

/// Hands the removal of these runs to the writer as one batch, reported under @p ticket. Their records vanish
/// with that commit, their other rows in small steps after it; stop(true) waits for those.
result<void> erase_runs(writer& through, std::vector<run_id> runs, uint64_t ticket);

/// Hands the removal of one run to the writer. A run that is not final is a conflict in the report.
result<void> delete_run(writer& through, run_id run, uint64_t ticket);

/// find_prunable and erase_runs. @returns the runs handed over.
result<std::vector<run_id>> prune(const std::shared_ptr<store>& from, writer& through,
                                  const prune_policy& policy, uint64_t ticket);

} // namespace assay::storage
