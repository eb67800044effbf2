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

std::optional<seconds> parse_period(std::string_view text) {
  const auto number = parse_count(text);
  if (!number || *number == 0 || *number > 7 * 24 * 3600)
    return std::nullopt;
  return seconds{static_cast<int64_t>(*number)};
}

/// The window of a count of requests whose bucket refills evenly: the part that is used takes `reset` to come
/// back. Only where a minute is out of the question, since other servers refill at once at a minute's end.
std::optional<seconds> long_window(const rate_limit_reading& reading) {
  constexpr milliseconds beyond_a_minute = std::chrono::minutes{2};
  constexpr double about_an_hour = 5400;
  if (!reading.limit || !reading.reset || *reading.reset <= beyond_a_minute)
    return std::nullopt;
  const auto used = reading.remaining && *reading.remaining < *reading.limit
                        ? *reading.limit - *reading.remaining
                        : *reading.limit;
  const auto whole = static_cast<double>(reading.reset->count()) / 1000.0
                     * static_cast<double>(*reading.limit) / static_cast<double>(used);
  return whole < about_an_hour ? std::chrono::hours{1} : std::chrono::hours{24};
}

rate_limit_reading read_dimension(const http_headers& headers, std::string_view suffix, wall_time now) {
  const auto header = [&](std::string_view name) {
    return find_header(headers, std::string("x-ratelimit-").append(name).append(suffix));
  };
  auto reading = read_rate_limit(header("limit"), header("remaining"), header("reset"), now);
  if (!reading.empty())
    reading.window = parse_period(header("renewalperiod"));
  return reading;
}

} // namespace

rate_limit_reading read_rate_limit(std::string_view limit_text, std::string_view remaining,
                                   std::string_view reset, wall_time now) {
  const auto limit = parse_count(limit_text);
  if (!limit_text.empty() && (!limit || *limit == 0))
    return {};
  return {limit, parse_count(remaining), parse_reset(reset, now)};
}

rate_limit_report read_rate_limits(const http_headers& headers, wall_time now) {
  rate_limit_report report{read_dimension(headers, "-requests", now),
                           read_dimension(headers, "-tokens", now)};
  if (report.requests.empty())
    report.requests = read_dimension(headers, "", now);
  if (!report.requests.window)
    report.requests.window = long_window(report.requests);
  return report;
}

} // namespace assay::codecs
