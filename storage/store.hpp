#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"
#include "storage/fault_injection.hpp"
#include "storage/folder_lock.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

namespace assay::storage {

namespace detail {
class environment;
struct schema;
} // namespace detail

/// How the store is opened.
struct store_options {
  /// The data folder. Created with mode 0700 when missing; its parents too.
  std::filesystem::path folder;
  /// Bytes of address space reserved for the data at the start. Costs no disk and no memory until used.
  size_t map_size = size_t{64} << 30;
  /// The map doubles when it is full, up to this size; then the store is full.
  size_t max_map_size = size_t{1} << 40;
  /// Slots for readers of all processes together.
  unsigned max_readers = 1024;
  /// False leaves out the flush of each commit and may lose the store with the power. For comparisons only.
  bool durable = true;
  /// Opens an existing file beside the farm that has it: sizes are those of the farm.
  bool beside_farm = false;
  /// How long a snapshot may live. An older one keeps the file from reusing pages, so it is ended.
  milliseconds snapshot_limit = std::chrono::seconds{2};
  /// Replaced by tests that move time.
  std::function<std::chrono::steady_clock::time_point()> steady_now = &std::chrono::steady_clock::now;
  /// Makes operations fail; for tests.
  fault_injector inject;
};

/// What the readers of this process do at the moment.
struct reader_status {
  size_t open = 0;            ///< Snapshots.
  milliseconds oldest_age{0}; ///< Of the oldest open one.
  uint64_t opened = 0;        ///< Since the start.
  uint64_t expired = 0;       ///< Ended because they were too old.
};

/// The farm's data: one LMDB environment in one folder. Read through snapshot, written through writer. Open
/// at most once in a process. Snapshots and writers keep what they need of it alive.
class store {
public:
  /// Opens the folder for the farm: takes its lock, removes what killed readers left, brings an older schema
  /// forward.
  /// @returns errc::store_locked when another farm uses it, errc::store_unreadable, errc::store_full or
  /// errc::store_incompatible (written by a newer version).
  static result<std::shared_ptr<store>> open(const store_options& options);

  /// Opens the folder for reading beside a running farm or without one; writes nothing but LMDB's reader
  /// slots.
  /// @returns errc::conflict inside the farm's own process, errc::store_incompatible when the schema is not
  /// this version's, errc::busy while the store is being compacted, errc::store_unreadable.
  static result<std::shared_ptr<store>> open_read_only(const std::filesystem::path& folder);

  /// Opens the folder beside a running farm for a small write, with write_once(). LMDB lets one process write
  /// at a time; the farm sees the rows when it reads them again.
  /// @returns as open_read_only().
  static result<std::shared_ptr<store>> open_beside(const std::filesystem::path& folder);

  /// The same as open() with another schema than this version's; for tests of migrations.
  static result<std::shared_ptr<store>> open_with_schema(const store_options& options,
                                                         const detail::schema& wanted);

  store(std::filesystem::path folder, unique_fd lock, std::shared_ptr<detail::environment> environment);
  ~store();
  store(const store&) = delete;
  store& operator=(const store&) = delete;

  const std::filesystem::path& folder() const noexcept { return folder_; }

  /// @returns why the store takes no more writes, or nothing while it does. A disk or map that is full is
  /// errc::store_full; a failed write or flush is errc::store_failed. Both last until the store is opened
  /// again.
  std::optional<fault> write_fault() const;

  reader_status readers() const;

  /// Closes the data and hands over the folder's lock. Only for an owner that shares the store with nobody.
  unique_fd close() noexcept;

  /// For the other files of this folder.
  const std::shared_ptr<detail::environment>& environment() const noexcept { return environment_; }

private:
  static result<std::shared_ptr<store>> open_existing(const std::filesystem::path& given, bool read_only);

  std::filesystem::path folder_;
  // Declared before the environment: released after it is closed.
  unique_fd lock_;
  std::shared_ptr<detail::environment> environment_;
};

} // namespace assay::storage
