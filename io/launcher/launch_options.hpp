#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace assay::launcher {

/// What the launcher is told on its command line; see usage() for the words. Zero is no limit.
struct launch_options {
  bool inside = false; ///< This is the first process of a sandbox, not the one that makes it.
  uint64_t cpu_ms = 0;
  uint64_t wall_ms = 0;
  uint64_t memory_bytes = 0;
  uint64_t processes = 0;
  uint64_t file_bytes = 0;
  uint64_t disk_bytes = uint64_t{64} << 20;
  std::string bwrap{"/usr/bin/bwrap"};
  unsigned uid = 0; ///< Who root becomes; 0: nobody was named, which root may not leave out.
  std::vector<std::pair<std::string, std::string>> read; ///< A folder or file, and where it is seen.
  std::vector<std::string> environment;                  ///< NAME=value
  std::vector<std::string> command;
};

/// Ends the program with exit code 125 when the words make no sense.
launch_options parse_options(int count, char** words);

/// The words that hand the limits to the process inside.
std::vector<std::string> limit_words(const launch_options& options);

/// Writes @p text to standard error and ends the program with exit code 125.
[[noreturn]] void give_up(const std::string& text);

/// The same, with the reason that errno names.
[[noreturn]] void give_up_errno(const std::string& text);

/// Where the launcher writes what it has to say beside the program's own output.
inline constexpr int report_descriptor = 3;
/// The job's files; see job_archive.hpp.
inline constexpr int files_descriptor = 4;

/// The writable folder, the program's own folder in it, and where the launcher itself is seen.
inline constexpr const char* box_folder = "/box";
inline constexpr const char* work_folder = "/box/work";
inline constexpr const char* inside_path = "/run/assay-launch";

} // namespace assay::launcher
