#pragma once

#include "core/reports/test_counts.hpp"
#include "core/values/ids.hpp"
#include "storage/write_batch.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay::storage::testing {

/// Another process: this test program in a helper mode. Killed at the end of its life if it still runs.
class helper_process {
public:
  /// Starts `storage_test --helper <mode> <arguments...>`.
  helper_process(const std::string& mode, const std::vector<std::string>& arguments);
  ~helper_process();
  helper_process(const helper_process&) = delete;
  helper_process& operator=(const helper_process&) = delete;

  /// The next line that it wrote; nothing at the end.
  std::optional<std::string> read_line();
  void write_line(const std::string& line);
  /// Waits for its end. @returns the signal that killed it, 0 for an orderly end.
  int wait();

private:
  pid_t pid_ = -1;
  int from_ = -1;
  int to_ = -1;
  bool ended_ = false;
  int signal_ = 0;
  std::string buffer_;
};

/// The batch that the crash helper submits under @p ticket: some samples and answers of one of three runs, an
/// event, and a document that tells whether the batch was written.
write_batch crash_batch(uint64_t ticket);
run_id crash_run(uint64_t ticket);
std::string crash_document(uint64_t ticket);
inline constexpr uint64_t crash_tickets = 60;

/// What the count helper writes: ten tests of the run of that number, seven of them full successes.
reports::counted_source counts_of_run(uint32_t number);

/// Runs a helper mode. @returns the exit code.
int run_helper(const std::string& mode, const std::vector<std::string>& arguments);

} // namespace assay::storage::testing
