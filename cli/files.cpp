#include "cli/files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace assay::cli {

result<void> write_file_atomically(const std::filesystem::path& path,
                                   const std::function<result<void>(const text_sink&)>& fill) {
  const auto parent = path.parent_path();
  const auto folder = storage::output_folder::open(parent.empty() ? "." : parent);
  return folder ? folder->write(path.filename().string(), fill) : folder.error();
}

result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  return write_file_atomically(path, [&](const text_sink& sink) -> result<void> {
    sink(content);
    return {};
  });
}

result<void> check_port_file(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto folder = path.parent_path();
  if (folder.empty() || std::filesystem::is_directory(folder, ignored))
    return {};
  return fault{errc::invalid_argument, "the folder of " + path.string() + " does not exist", "--port-file",
               "make it first, or name a file in another folder"};
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
    return fault{errc::store_unreadable, "cannot read: " + std::generic_category().message(failed),
                 path.string(), "check the path and its permissions"};
  if (out.size() > most)
    return fault{
        errc::too_large, "the file is larger than " + std::to_string(most) + " bytes", path.string(), {}};
  return out;
}

} // namespace assay::cli
