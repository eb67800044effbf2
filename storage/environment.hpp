#pragma once

#include "storage/store.hpp"
#include "storage/tables.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

struct MDB_env;

namespace assay::storage::detail {

class read_transaction;

/// What ended a write transaction.
enum class write_error : uint8_t {
  none,
  map_full,  ///< The map must grow; nothing is lost, the work may be repeated.
  disk_full, ///< No room on the disk.
  failed,    ///< Anything else.
};

/// Lets readers in and, for the moment in which the map is exchanged, out. LMDB itself does not check for
/// readers then and would pull the memory from under them.
class reader_gate {
public:
  reader_gate(std::function<std::chrono::steady_clock::time_point()> now, milliseconds limit);

  /// Registers a reader; waits while the gate is closed. @returns errc::busy when that takes 10 s.
  result<void> enter(read_transaction& reader);
  void leave(read_transaction& reader) noexcept;

  /// A backup reads longer than any snapshot may; the gate does not close before it has left.
  result<void> enter_backup();
  void leave_backup() noexcept;

  /// Ends the readers that are over their limit and idle at the moment.
  void end_overdue() noexcept;

  /// Closes the gate and returns when the last reader has left or was ended by its limit.
  void close_and_drain();
  void reopen() noexcept;

  reader_status status() const;
  std::chrono::steady_clock::time_point now() const { return now_(); }
  milliseconds limit() const noexcept { return limit_; }

private:
  result<void> wait_until_open(std::unique_lock<std::mutex>& lock);
  void end_overdue_locked(bool wait) noexcept;

  const std::function<std::chrono::steady_clock::time_point()> now_;
  const milliseconds limit_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<read_transaction*> active_;
  size_t backups_ = 0;
  bool closed_ = false;
  uint64_t opened_ = 0;
  uint64_t expired_ = 0;
};

/// INTERNAL: the LMDB environment, its tables and its readers. Everything that touches lmdb.h goes through
/// here, read_transaction and write_transaction.
class environment {
public:
  /// @param read_only Opens beside a farm: no table is created, nothing is written.
  static result<std::shared_ptr<environment>> open(const store_options& options, bool read_only);

  environment(const store_options& options, bool read_only);
  ~environment();
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;

  const std::filesystem::path& folder() const noexcept { return folder_; }
  MDB_env* handle() const noexcept { return handle_; }
  bool read_only() const noexcept { return read_only_; }
  /// @returns LMDB's number of the table; 0 when an older store read beside its farm lacks it.
  unsigned handle_of(table value) const noexcept { return tables_[static_cast<size_t>(value)]; }

  reader_gate& gate() noexcept { return gate_; }
  const reader_gate& gate() const noexcept { return gate_; }

  /// @returns what the test wants @p operation to meet.
  injected_error injected(store_operation operation) const {
    return inject_ ? inject_(operation) : injected_error::none;
  }

  /// Doubles the map once all readers are out. @returns errc::store_full at the largest size.
  result<void> grow();
  /// Takes over the size that another process gave the map. Called by a reader that is not in.
  result<void> adopt_size();

  /// Frees the slots of readers whose process was killed. @returns how many.
  size_t clear_stale_readers() noexcept;

  /// Ends writing for good. The first fault stays.
  void fail(fault why);
  std::optional<fault> write_fault() const;

  /// @returns whether the caller is now the one writer.
  bool claim_writer() noexcept { return !writer_claimed_.exchange(true); }
  void release_writer() noexcept { writer_claimed_ = false; }

private:
  result<void> open_handle(const store_options& options);
  result<void> open_tables();

  const std::filesystem::path folder_;
  MDB_env* handle_ = nullptr;
  const bool read_only_;
  const size_t max_map_size_;
  const fault_injector inject_;
  std::array<unsigned, table_count> tables_{};
  reader_gate gate_;
  std::atomic<bool> writer_claimed_ = false;
  mutable std::mutex fault_mutex_;
  std::optional<fault> write_fault_;
};

/// @returns LMDB's or the system's own words for @p code, an answer of LMDB.
std::string describe(int code);

/// Sorts an answer of LMDB into what the writer must do about it. @p code is not 0.
write_error classify(int code) noexcept;

/// @returns the fault that ends writing after @p error; @p code is LMDB's answer.
fault write_fault_of(write_error error, int code, const char* action);

/// @returns the fault of a failed read.
fault read_fault(int code, const char* action);

} // namespace assay::storage::detail
