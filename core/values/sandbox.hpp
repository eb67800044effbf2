#pragma once

#include "core/values/errors.hpp"
#include "core/values/shared_text.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// What a program in the sandbox may use. All hold for the program and everything that it starts, together.
struct sandbox_limits {
  milliseconds cpu{5'000};
  milliseconds wall{10'000};
  uint64_t memory_bytes = uint64_t{256} << 20;
  uint32_t processes = 60;                   ///< Threads count.
  uint64_t file_bytes = uint64_t{10} << 20;  ///< Of one file that it writes.
  uint64_t disk_bytes = uint64_t{64} << 20;  ///< Of all of them.
  uint64_t output_bytes = uint64_t{1} << 20; ///< Of stdout, and of stderr.

  bool operator==(const sandbox_limits&) const = default;
};

/// A file that stands in the program's folder when it starts.
struct sandbox_file {
  std::string name; ///< Relative, without `..`; its folders are made.
  shared_text content;
};

/// One program to run. Its working folder is private, writable and empty but for @p files; the system is
/// read-only; there is no network.
struct sandbox_job {
  uint64_t id = 0;                  ///< Chosen by who asks; unique among its jobs.
  std::vector<std::string> command; ///< The program, looked for in /usr/bin and /bin, and its arguments.
  std::vector<sandbox_file> files;
  shared_text input; ///< Its stdin.
  sandbox_limits limits;
};

/// How a program came to its end.
enum class sandbox_end : uint8_t {
  exited = 1,    ///< By itself; see exit_code.
  signalled = 2, ///< By a signal that none of our limits sent.
  cpu_limit = 3,
  wall_limit = 4,
  memory_limit = 5,
  output_limit = 6,
  file_limit = 7,
  withdrawn = 8, ///< Nobody wanted it any more.
};

std::string_view to_string(sandbox_end end) noexcept;

/// What became of a job.
struct sandbox_result {
  uint64_t id = 0;
  /// Why it was not run at all: no sandbox here (errc::unsupported), or the host's own trouble. What
  /// follows means nothing then.
  std::optional<fault> error;
  sandbox_end end = sandbox_end::exited;
  int32_t exit_code = 0;
  int32_t signal = 0; ///< 0 when none.
  shared_text out;    ///< Cut at the limit; any bytes.
  shared_text err;
  milliseconds cpu{0};
  milliseconds wall{0};
  uint64_t peak_memory_bytes = 0; ///< 0 where it is not known.
};

} // namespace assay
