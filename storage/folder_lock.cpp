#include "storage/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <system_error>

namespace assay::storage {

namespace {

constexpr const char* lock_name = "LOCK";
constexpr const char* readers_name = "READERS";

// From linux/magic.h and the file systems' own sources, which Debian's header lacks.
constexpr uint32_t nfs_magic = 0x6969;
constexpr uint32_t smb_magic = 0x517B;
constexpr uint32_t cifs_magic = 0xFF534D42;
constexpr uint32_t smb2_magic = 0xFE534D42;

bool is_on_network(const std::filesystem::path& folder) noexcept {
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0)
    return false;
  const auto type = static_cast<uint32_t>(info.f_type);
  return type == nfs_magic || type == smb_magic || type == cifs_magic || type == smb2_magic;
}

/// @returns the process named in the lock file, 0 when none is.
int holder_of(int fd) noexcept {
  char text[32] = {};
  const auto size = ::pread(fd, text, sizeof text - 1, 0);
  int pid = 0;
  if (size > 0)
    std::from_chars(text, text + size, pid);
  return pid;
}

/// Writes this process's number into the lock file. It is for people only: a lock without it holds as well.
void name_holder(int fd) noexcept {
  const auto text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0)
    return;
  [[maybe_unused]] const auto written = ::pwrite(fd, text.data(), text.size(), 0);
}

result<unique_fd> lock_readers_file(const std::filesystem::path& folder, int operation, const char* message,
                                    const char* hint) {
  const auto path = folder / readers_name;
  unique_fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file)
    return file_fault(errno, "open", path);
  if (::flock(file.get(), operation | LOCK_NB) != 0)
    return fault{errc::busy, message, folder.string(), hint};
  return file;
}

} // namespace

unique_fd::~unique_fd() {
  if (fd_ >= 0)
    ::close(fd_);
}

fault file_fault(int error, const char* action, const std::filesystem::path& path) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return {full ? errc::store_full : errc::store_unreadable,
          std::string("cannot ") + action + " " + path.string() + ": "
              + std::generic_category().message(error),
          path.string(),
          full ? "make room on the disk"
               : "check that the path is right and that this user may read and write it"};
}

result<void> prepare_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (const auto parent = folder.parent_path(); !parent.empty())
    std::filesystem::create_directories(parent, error);
  if (error)
    return file_fault(error.value(), "create", folder);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return file_fault(errno, "create", folder);
  if (!std::filesystem::is_directory(folder, error))
    return file_fault(error ? error.value() : ENOTDIR, "use", folder);
  if (is_on_network(folder))
    return fault{errc::unsupported, "the data folder is on a network file system", folder.string(),
                 "choose a folder on a local disk"};
  return {};
}

result<unique_fd> lock_folder(const std::filesystem::path& folder) {
  const auto path = folder / lock_name;
  unique_fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file)
    return file_fault(errno, "open", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return file_fault(errno, "lock", path);
    const int holder = holder_of(file.get());
    return fault{errc::store_locked,
                 "another farm uses this data folder"
                     + (holder > 0 ? " (process " + std::to_string(holder) + ")" : std::string{}),
                 folder.string(),
                 "stop that process, or choose another data folder; commands that only read work beside it"};
  }
  name_holder(file.get());
  return file;
}

std::optional<int> lock_holder(const std::filesystem::path& folder) {
  const auto path = folder / lock_name;
  const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  // Shared, so that two that look do not take each other for a farm.
  if (!file || ::flock(file.get(), LOCK_SH | LOCK_NB) == 0)
    return std::nullopt;
  const int holder = holder_of(file.get());
  return holder > 0 ? std::optional{holder} : std::nullopt;
}

bool is_locked_by_this_process(const std::filesystem::path& folder) {
  const auto path = folder / lock_name;
  const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || holder_of(file.get()) != ::getpid())
    return false;
  // The number may be left over from a killed process that had it before.
  return ::flock(file.get(), LOCK_SH | LOCK_NB) != 0;
}

result<unique_fd> lock_as_reader(const std::filesystem::path& folder) {
  return lock_readers_file(folder, LOCK_SH, "the data folder is being compacted",
                           "try again when that has ended");
}

result<unique_fd> lock_readers_out(const std::filesystem::path& folder) {
  return lock_readers_file(folder, LOCK_EX, "a command is reading the data folder",
                           "try again when it has ended");
}

bool lacks_room(const std::filesystem::path& folder, const std::filesystem::path& file,
                size_t bytes) noexcept {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) == 0 && uint64_t{disk.f_bavail} * disk.f_frsize < bytes)
    return true;
  rlimit limit{};
  struct stat info {};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
         && ::stat((folder / file).c_str(), &info) == 0
         && static_cast<uint64_t>(info.st_size) + bytes > limit.rlim_cur;
}

result<void> sync_folder(const std::filesystem::path& folder) {
  const unique_fd handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle)
    return file_fault(errno, "open", folder);
  if (::fsync(handle.get()) != 0)
    return file_fault(errno, "flush", folder);
  return {};
}

} // namespace assay::storage
