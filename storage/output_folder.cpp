#include "storage/output_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace assay::storage {

namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

fault file_fault(int error, const char* action, const std::filesystem::path& path) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return {full ? errc::store_full : errc::store_unreadable,
          std::string("cannot ") + action + ": " + std::generic_category().message(error), path.string(),
          full ? "free some disk space" : "check the path and its permissions"};
}

/// A file under a temporary name that vanishes unless it is kept.
class temporary_file {
public:
  temporary_file(int folder, const std::string& target)
      : folder_(folder), name_(target + ".part-" + std::to_string(::getpid())),
        fd_(::openat(folder, name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644)) {}
  ~temporary_file() {
    if (fd_ >= 0)
      ::close(fd_);
    if (fd_ >= 0 && !kept_)
      ::unlinkat(folder_, name_.c_str(), 0);
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;

  bool is_open() const noexcept { return fd_ >= 0; }

  void add(std::string_view text) {
    if (error_ != 0)
      return;
    buffer_.append(text);
    constexpr size_t write_at = size_t{1} << 20;
    if (buffer_.size() >= write_at)
      drain();
  }

  /// @returns 0, or the error of any step.
  int keep_as(const std::string& target) {
    drain();
    if (error_ == 0 && ::fsync(fd_) != 0)
      error_ = errno;
    if (error_ == 0 && ::renameat(folder_, name_.c_str(), folder_, target.c_str()) != 0)
      error_ = errno;
    kept_ = error_ == 0;
    // The new name is lost with the power unless the folder is flushed too. Some file systems cannot.
    if (kept_)
      static_cast<void>(::fsync(folder_));
    return error_;
  }

private:
  void drain() {
    std::string_view rest = buffer_;
    while (error_ == 0 && !rest.empty()) {
      const auto written = ::write(fd_, rest.data(), rest.size());
      if (written >= 0)
        rest.remove_prefix(static_cast<size_t>(written));
      else if (errno != EINTR)
        error_ = errno;
    }
    buffer_.clear();
  }

  const int folder_;
  const std::string name_;
  int fd_ = -1;
  int error_ = 0;
  bool kept_ = false;
  std::string buffer_;
};

} // namespace

result<output_folder> output_folder::open(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return file_fault(error.value(), "make the folder", path);
  const int fd = ::open(path.c_str(), folder_flags);
  if (fd < 0)
    return file_fault(errno, "open the folder", path);
  return output_folder{fd, path};
}

output_folder::~output_folder() {
  if (fd_ >= 0)
    ::close(fd_);
}

output_folder::output_folder(output_folder&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), shown_(std::move(other.shown_)) {}

result<output_folder> output_folder::below(const std::filesystem::path& path) const {
  if (path.is_absolute())
    return fault{errc::invalid_argument, "must be a relative path", path.string(), {}};
  output_folder here{::fcntl(fd_, F_DUPFD_CLOEXEC, 0), shown_};
  if (here.fd_ < 0)
    return file_fault(errno, "open the folder", shown_);
  for (const auto& step : path) {
    if (step.empty() || step == ".")
      continue;
    const auto shown = here.shown_ / step;
    if (step == "..")
      return fault{errc::invalid_argument, "must not lead upwards", shown.string(), {}};
    if (::mkdirat(here.fd_, step.c_str(), 0777) != 0 && errno != EEXIST)
      return file_fault(errno, "make the folder", shown);
    const int next = ::openat(here.fd_, step.c_str(), folder_flags | O_NOFOLLOW);
    if (next < 0 && (errno == ELOOP || errno == ENOTDIR))
      return fault{errc::invalid_argument, "is a file or a symbolic link, where a folder is needed",
                   shown.string(), "choose another path"};
    if (next < 0)
      return file_fault(errno, "open the folder", shown);
    ::close(std::exchange(here.fd_, next));
    here.shown_ = shown;
  }
  return here;
}

result<void> output_folder::write(const std::string& name, const text_source& fill) const {
  const auto shown = shown_ / name;
  temporary_file file(fd_, name);
  if (!file.is_open())
    return file_fault(errno, "write", shown);
  if (auto filled = fill([&](std::string_view text) { file.add(text); }); !filled)
    return filled.error();
  if (const int failed = file.keep_as(name); failed != 0)
    return file_fault(failed, "write", shown);
  return {};
}

std::string as_file_name(std::string_view name) {
  std::string out(name);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) {
        return c == '/' || c == '\\' || c == ':' || c == ' ' || static_cast<unsigned char>(c) < 0x20;
      },
      '_');
  if (out.empty() || out.front() == '.')
    out.insert(out.begin(), '_');
  return out;
}

} // namespace assay::storage
