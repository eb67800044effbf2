#pragma once

#include "core/values/errors.hpp"
#include "core/values/run.hpp"
#include "storage/output_folder.hpp"
#include "storage/store.hpp"

#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace assay::server {

/// Reads what became of a batch's items, in their order, as JSON lines. Holds a page of rows at most. Blocks,
/// so it belongs on a thread that may.
class batch_reader {
public:
  /// @param run Items that it has not ended are left out while it goes on; once it has ended they are errors.
  /// @returns errc::dataset_unreadable when its rows are not there, errc::conflict when its texts were
  /// removed.
  static result<std::unique_ptr<batch_reader>> open(std::shared_ptr<storage::store> store, run_record run);

  /// Appends the lines of the next items to @p out. @returns false after the last one.
  result<bool> step(std::string& out);

private:
  batch_reader(std::shared_ptr<storage::store> store, run_record run, std::ifstream rows);

  result<void> read_rows();

  const std::shared_ptr<storage::store> store_;
  const run_record run_;
  std::ifstream rows_;
  std::deque<std::string> page_;
  uint64_t next_ = 0; ///< Row number of the first one in the page.
};

/// Writes the results and the statistics of a batch that has ended, each file atomically. @returns their
/// names; errc::shutting_down after a stop.
result<std::vector<std::filesystem::path>> write_batch_files(const std::shared_ptr<storage::store>& store,
                                                             const run_record& run,
                                                             const storage::output_folder& to,
                                                             const std::stop_token& stop);

} // namespace assay::server
