#include "io/launcher/usage.hpp"

#include <array>
#include <cctype>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace assay::launcher {

namespace {

using text_buffer = std::array<char, 4096>;

/// @returns the beginning of a file of /proc; empty when the process is gone or does not let itself be seen.
const char* read_text(pid_t pid, const char* name, text_buffer& buffer) {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/%s", static_cast<int>(pid), name);
  buffer[0] = 0;
  const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return buffer.data();
  const auto count = ::read(file, buffer.data(), buffer.size() - 1);
  ::close(file);
  buffer[count > 0 ? static_cast<size_t>(count) : 0] = 0;
  return buffer.data();
}

std::chrono::microseconds cpu_of(pid_t pid, text_buffer& buffer) {
  // The name stands in brackets and may hold anything; after the last bracket there are numbers only.
  const char* rest = std::strrchr(read_text(pid, "stat", buffer), ')');
  if (rest == nullptr)
    return {};
  unsigned long user = 0;
  unsigned long system = 0;
  long children_user = 0;
  long children_system = 0;
  if (std::sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &user, &system,
                  &children_user, &children_system)
      != 4)
    return {};
  static const long per_second = ::sysconf(_SC_CLK_TCK);
  const auto ticks = static_cast<int64_t>(user + system) + children_user + children_system;
  return std::chrono::microseconds{ticks * 1'000'000 / per_second};
}

uint64_t resident_of(pid_t pid, text_buffer& buffer) {
  unsigned long pages = 0;
  if (std::sscanf(read_text(pid, "statm", buffer), "%*u %lu", &pages) != 1)
    return 0;
  static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return pages * page;
}

/// A process's share of its memory; all of it when it does not let itself be looked at.
uint64_t share_of(pid_t pid, text_buffer& buffer) {
  const char* line = std::strstr(read_text(pid, "smaps_rollup", buffer), "\nPss:");
  uint64_t kib = 0;
  if (line == nullptr || std::sscanf(line, "\nPss: %" SCNu64, &kib) != 1)
    return resident_of(pid, buffer);
  return kib << 10;
}

template <class Visit>
void each_process(Visit visit) {
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr)
    return;
  while (const dirent* entry = ::readdir(folder)) {
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0)
      continue;
    const auto pid = static_cast<pid_t>(std::atoi(entry->d_name));
    if (pid > 1)
      visit(pid);
  }
  ::closedir(folder);
}

} // namespace

usage measure(uint64_t known) {
  usage out;
  text_buffer buffer{};
  each_process([&](pid_t pid) {
    ++out.processes;
    out.cpu += cpu_of(pid, buffer);
    out.memory_bytes += resident_of(pid, buffer);
  });
  if (out.memory_bytes <= known || out.processes < 2)
    return out;
  out.memory_bytes = 0;
  each_process([&](pid_t pid) { out.memory_bytes += share_of(pid, buffer); });
  return out;
}

} // namespace assay::launcher
