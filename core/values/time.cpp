#include "core/values/time.hpp"

#include <charconv>
#include <cstdio>

namespace assay {

namespace {

/// Takes @p digits decimal digits off the front of @p text.
std::optional<int> take_number(std::string_view& text, size_t digits) {
  if (text.size() < digits)
    return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9')
      return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_char(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted)
    return false;
  text.remove_prefix(1);
  return true;
}

/// Takes ".123456" (any number of digits) and keeps milliseconds.
milliseconds take_fraction(std::string_view& text) {
  if (!take_char(text, '.'))
    return milliseconds{0};
  int value = 0;
  int scale = 100;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    value += (text.front() - '0') * scale;
    scale /= 10;
    text.remove_prefix(1);
  }
  return milliseconds{value};
}

std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (take_char(text, 'Z') || take_char(text, 'z'))
    return std::chrono::minutes{0};
  const bool east = !text.empty() && text.front() == '+';
  if (!east && (text.empty() || text.front() != '-'))
    return std::nullopt;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2);
  if (!hours || !take_char(text, ':'))
    return std::nullopt;
  const auto minutes = take_number(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59)
    return std::nullopt;
  const auto offset = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  return east ? offset : -offset;
}

} // namespace

wall_time wall_now() noexcept { return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()); }

std::string to_rfc3339(wall_time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  char text[48];
  int size = std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                           static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                           static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                           static_cast<int>(clock.seconds().count()));
  const auto fraction = static_cast<int>(clock.subseconds().count());
  if (fraction != 0)
    size += std::snprintf(text + size, sizeof text - static_cast<size_t>(size), ".%03d", fraction);
  return std::string(text, static_cast<size_t>(size)) + "Z";
}

std::optional<wall_time> from_rfc3339(std::string_view text) {
  const auto year = take_number(text, 4);
  if (!year || !take_char(text, '-'))
    return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take_char(text, '-'))
    return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day || text.empty() || (text.front() != 'T' && text.front() != 't' && text.front() != ' '))
    return std::nullopt;
  text.remove_prefix(1);
  const auto hour = take_number(text, 2);
  if (!hour || !take_char(text, ':'))
    return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take_char(text, ':'))
    return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  const auto fraction = take_fraction(text);
  const auto offset = take_offset(text);
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!offset || !text.empty() || !date.ok())
    return std::nullopt;
  return wall_time{std::chrono::sys_days{date}} + std::chrono::hours{*hour} + std::chrono::minutes{*minute}
         + seconds{*second} + fraction - *offset;
}

std::string to_human(milliseconds duration) {
  char text[48];
  const auto ms = static_cast<long long>(duration.count());
  if (ms < 1000)
    std::snprintf(text, sizeof text, "%lld ms", ms);
  else if (ms < 60'000)
    std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(ms) / 1000.0);
  else if (ms < 3'600'000)
    std::snprintf(text, sizeof text, "%lld m %02lld s", ms / 60'000, ms / 1000 % 60);
  else
    std::snprintf(text, sizeof text, "%lld h %02lld m", ms / 3'600'000, ms / 60'000 % 60);
  return text;
}

} // namespace assay
