#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace assay {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

/// A point in calendar time, UTC. Deadlines inside a process use steady clocks instead.
using wall_time = std::chrono::sys_time<milliseconds>;

/// @returns the present calendar time of the machine. Actors get it injected instead (see clocks).
wall_time wall_now() noexcept;

/// RFC 3339 with Z and milliseconds when not zero: `2024-01-01T12:00:00Z`, `2024-01-01T12:00:00.250Z`.
std::string to_rfc3339(wall_time time);

/// Reads RFC 3339 with `Z` or a numeric offset. @returns nothing for any other form.
std::optional<wall_time> from_rfc3339(std::string_view text);

/// "250 ms", "12.3 s", "4 m 05 s", "2 h 03 m": for people.
std::string to_human(milliseconds duration);

} // namespace assay
