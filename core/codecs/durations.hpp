#pragma once

#include "core/codecs/http_message.hpp"
#include "core/values/time.hpp"

#include <optional>
#include <string_view>

namespace assay::codecs {

/// Reads a duration as Go prints it: `1s`, `6m0s`, `100ms`, `1h2m3s`, `8.64s`, also `us` and `ns`.
/// @returns it rounded up to a millisecond, or nothing for any other text.
std::optional<milliseconds> parse_go_duration(std::string_view text) noexcept;

/// Reads a calendar time of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT` and its two obsolete forms (RFC
/// 9110, 5.6.7).
std::optional<wall_time> parse_http_date(std::string_view text) noexcept;

/// How long the provider asks to wait, from, in this order: `retry-after-ms`, `retry-after` in seconds,
/// `retry-after` as a date, and the words `try again in 18.642s` or `retry after 26 seconds` in @p message.
/// @param now calendar time, for dates; a date in the past gives zero.
/// @returns nothing when the provider says nothing usable. Zero is possible: callers keep their own floor.
std::optional<milliseconds> retry_after(const http_headers& headers, std::string_view message, wall_time now);

} // namespace assay::codecs
