#include "cli/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace assay::cli {

namespace {

fault file_fault(int error, const char* action, const std::filesystem::path& path) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return {full ? errc::store_full : errc::store_unreadable,
          std::string("cannot ") + action + ": " + std::generic_category().message(error), path.string(),
          full ? "free some disk space" : "check the path and its permissions"};
}

/// A file under a temporary name that vanishes unless it is kept.
class temporary_file {
public:
  explicit temporary_file(const std::filesystem::path& target)
      : path_(target.string() + ".part-" + std::to_string(::getpid())),
        fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {}
  ~temporary_file() {
    if (fd_ >= 0)
      ::close(fd_);
    if (!kept_)
      ::unlink(path_.c_str());
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
  int keep_as(const std::filesystem::path& target) {
    drain();
    if (error_ == 0 && ::fsync(fd_) != 0)
      error_ = errno;
    if (error_ == 0 && ::rename(path_.c_str(), target.c_str()) != 0)
      error_ = errno;
    kept_ = error_ == 0;
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

  const std::string path_;
  int fd_ = -1;
  int error_ = 0;
  bool kept_ = false;
  std::string buffer_;
};

} // namespace

result<void> write_file_atomically(const std::filesystem::path& path,
                                   const std::function<result<void>(const text_sink&)>& fill) {
  std::error_code error;
  if (const auto parent = path.parent_path(); !parent.empty())
    std::filesystem::create_directories(parent, error);
  if (error)
    return file_fault(error.value(), "make the folder", path.parent_path());
  temporary_file file(path);
  if (!file.is_open())
    return file_fault(errno, "write", path);
  if (auto filled = fill([&](std::string_view text) { file.add(text); }); !filled)
    return filled.error();
  if (const int failed = file.keep_as(path); failed != 0)
    return file_fault(failed, "write", path);
  return {};
}

result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  return write_file_atomically(path, [&](const text_sink& sink) -> result<void> {
    sink(content);
    return {};
  });
}

result<std::string> read_file(const std::filesystem::path& path, size_t most) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fault{errc::not_found, std::string("cannot read: ") + std::strerror(errno), path.string(), {}};
  std::string out;
  char chunk[65536];
  ssize_t got = 0;
  while (out.size() <= most && (got = ::read(fd, chunk, sizeof chunk)) > 0)
    out.append(chunk, static_cast<size_t>(got));
  const int failed = got < 0 ? errno : 0;
  ::close(fd);
  if (failed != 0)
    return file_fault(failed, "read", path);
  if (out.size() > most)
    return fault{
        errc::too_large, "the file is larger than " + std::to_string(most) + " bytes", path.string(), {}};
  return out;
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

} // namespace assay::cli
