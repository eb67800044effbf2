#pragma once

#include "core/values/errors.hpp"

#include <filesystem>
#include <optional>
#include <utility>

namespace assay::storage {

/// A file that only its owner may use, closed at the end of its life.
class unique_fd {
public:
  unique_fd() = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~unique_fd();

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

private:
  int fd_ = -1;
};

/// Creates @p folder with mode 0700 (parents with the process's own mask) unless it exists.
/// @returns errc::store_unreadable when that fails, or errc::unsupported on a network file system, where
/// LMDB's locks and maps cannot be trusted.
result<void> prepare_folder(const std::filesystem::path& folder);

/// Takes the data folder for this process: an exclusive lock on its file LOCK, which then names the process.
/// @returns the lock, held until it is closed, or errc::store_locked naming the holder.
result<unique_fd> lock_folder(const std::filesystem::path& folder);

/// @returns the process that has the folder; nothing when none has, or it did not say which it is.
std::optional<int> lock_holder(const std::filesystem::path& folder);

/// @returns whether this very process holds the folder's lock. LMDB must not open a file twice in a process.
bool is_locked_by_this_process(const std::filesystem::path& folder);

/// Marks this process as a reader beside the farm, so that the data file is not exchanged under it.
/// @returns errc::busy while the store is being compacted.
result<unique_fd> lock_as_reader(const std::filesystem::path& folder);

/// Keeps readers beside the farm away. @returns errc::busy while one is there.
result<unique_fd> lock_readers_out(const std::filesystem::path& folder);

/// Makes renames and new files in @p folder durable.
result<void> sync_folder(const std::filesystem::path& folder);

/// @returns whether the file @p file in @p folder cannot grow by @p bytes for want of room: of the disk or of
/// this process's limit on file sizes.
bool lacks_room(const std::filesystem::path& folder, const std::filesystem::path& file,
                size_t bytes) noexcept;

/// Turns errno values into a fault about @p path.
fault file_fault(int error, const char* action, const std::filesystem::path& path);

} // namespace assay::storage
