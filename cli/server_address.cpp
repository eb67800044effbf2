#include "cli/server_address.hpp"

#include "cli/files.hpp"
#include "storage/folder_lock.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

namespace assay::cli {

namespace {

constexpr const char* file_name = "SERVER";
constexpr size_t longest_address = 1024;

} // namespace

std::string reachable_url(const config::server_settings& settings, uint16_t port) {
  auto host = settings.host;
  // Whoever listens everywhere also listens on the loopback address.
  if (host == "0.0.0.0")
    host = "127.0.0.1";
  if (host == "::")
    host = "::1";
  const bool six = host.find(':') != std::string::npos;
  return std::string(settings.tls.enabled() ? "https://" : "http://") + (six ? "[" + host + "]" : host) + ":"
         + std::to_string(port);
}

left_address::left_address(const std::filesystem::path& folder, const std::string& url)
    : file_(folder / file_name) {
  // The number tells it from one that a killed server left behind.
  if (auto written = write_file_atomically(file_, std::to_string(::getpid()) + " " + url + "\n"); !written)
    spdlog::warn("server could not leave its address in the data folder; commands need --url reason=\"{}\"",
                 to_string(written.error()));
}

left_address::~left_address() {
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

std::optional<std::string> find_address(const std::filesystem::path& folder) {
  const auto holder = storage::lock_holder(folder);
  if (!holder)
    return std::nullopt;
  const auto text = read_file(folder / file_name, longest_address);
  if (!text)
    return std::nullopt;
  const auto mark = std::to_string(*holder) + " ";
  if (!text->starts_with(mark) || !text->ends_with("\n"))
    return std::nullopt;
  return text->substr(mark.size(), text->size() - mark.size() - 1);
}

} // namespace assay::cli
