#include "core/codecs/rate_limit_headers.hpp"

#include "core/codecs/durations.hpp"

#include <charconv>
#include <string>

namespace assay::codecs {

namespace {

/// Numbers from here on are Unix time, in seconds or (from the second on) in milliseconds, not a wait.
constexpr uint64_t first_unix_second = 1'000'000'000;
constexpr uint64_t first_unix_millisecond = 1'000'000'000'000;

std::optional<uint64_t> parse_count(std::string_view text) noexcept {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

milliseconds until(wall_time then, wall_time now) { return std::max(milliseconds{0}, then - now); }

std::optional<milliseconds> parse_reset(std::string_view text, wall_time now) {
  if (const auto number = parse_count(text)) {
    if (*number >= first_unix_millisecond * 10)
      return std::nullopt;
    if (*number >= first_unix_millisecond)
      return until(wall_time{milliseconds{static_cast<int64_t>(*number)}}, now);
    if (*number >= first_unix_second * 10)
      return std::nullopt;
    if (*number >= first_unix_second)
      return until(wall_time{seconds{static_cast<int64_t>(*number)}}, now);
    return milliseconds{seconds{static_cast<int64_t>(*number)}};
  }
  if (const auto duration = parse_go_duration(text))
    return duration;
  // A bare decimal is seconds, as some proxies round them.
  if (const auto duration = parse_go_duration(std::string(text) + "s"))
    return duration;
  if (const auto time = from_rfc3339(text))
    return until(*time, now);
  return std::nullopt;
}

rate_limit_reading read_dimension(const http_headers& headers, std::string_view suffix, wall_time now) {
  const auto header = [&](std::string_view name) {
    return find_header(headers, std::string("x-ratelimit-").append(name).append(suffix));
  };
  const auto limit_text = header("limit");
  const auto limit = parse_count(limit_text);
  if (!limit_text.empty() && (!limit || *limit == 0))
    return {};
  return {limit, parse_count(header("remaining")), parse_reset(header("reset"), now)};
}

} // namespace

rate_limit_report read_rate_limits(const http_headers& headers, wall_time now) {
  rate_limit_report report{read_dimension(headers, "-requests", now),
                           read_dimension(headers, "-tokens", now)};
  if (report.requests.empty())
    report.requests = read_dimension(headers, "", now);
  return report;
}

} // namespace assay::codecs
