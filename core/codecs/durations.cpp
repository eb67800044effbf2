#include "core/codecs/durations.hpp"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

namespace assay::codecs {

namespace {

/// Longer waits are nonsense and would overflow sums.
constexpr double longest_ms = 400.0 * 24 * 3600 * 1000;

std::optional<milliseconds> from_milliseconds(double value) noexcept {
  if (!(value >= 0) || value > longest_ms)
    return std::nullopt;
  return milliseconds{static_cast<milliseconds::rep>(std::ceil(value - 1e-6))};
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// Takes "12" or "8.64" off the front. No sign, no exponent.
std::optional<double> take_decimal(std::string_view& text) noexcept {
  size_t length = 0;
  while (length < text.size() && ((text[length] >= '0' && text[length] <= '9') || text[length] == '.'))
    ++length;
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + length, value, std::chars_format::fixed);
  if (error != std::errc{} || end == text.data())
    return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

std::string_view take_letters(std::string_view& text) noexcept {
  size_t length = 0;
  while (length < text.size() && std::isalpha(static_cast<unsigned char>(text[length])) != 0)
    ++length;
  const auto letters = text.substr(0, length);
  text.remove_prefix(length);
  return letters;
}

/// @returns milliseconds per unit, or 0 for an unknown unit.
double unit_ms(std::string_view unit) noexcept {
  struct known_unit {
    std::string_view name;
    double ms;
  };
  static constexpr std::array<known_unit, 14> units{{{"ns", 1e-6},
                                                     {"us", 1e-3},
                                                     {"ms", 1},
                                                     {"s", 1e3},
                                                     {"m", 6e4},
                                                     {"h", 36e5},
                                                     {"d", 864e5},
                                                     {"sec", 1e3},
                                                     {"second", 1e3},
                                                     {"seconds", 1e3},
                                                     {"minute", 6e4},
                                                     {"minutes", 6e4},
                                                     {"millisecond", 1},
                                                     {"milliseconds", 1}}};
  for (const auto& known : units)
    if (known.name == unit)
      return known.ms;
  return 0;
}

std::optional<milliseconds> whole_decimal(std::string_view text, double ms_per_unit) noexcept {
  text = trimmed(text);
  const auto value = take_decimal(text);
  if (!value || !text.empty())
    return std::nullopt;
  return from_milliseconds(*value * ms_per_unit);
}

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Splits at blanks, commas, colons and hyphens; HTTP dates have at most eight parts.
struct date_parts {
  std::array<std::string_view, 8> part{};
  size_t count = 0;
};

date_parts split_date(std::string_view text) noexcept {
  date_parts parts;
  while (!text.empty() && parts.count < parts.part.size()) {
    const auto begin = text.find_first_not_of(" ,:-");
    if (begin == std::string_view::npos)
      break;
    text.remove_prefix(begin);
    const auto end = text.find_first_of(" ,:-");
    parts.part[parts.count++] = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end);
  }
  return parts;
}

std::optional<int> whole_number(std::string_view text) noexcept {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value < 0)
    return std::nullopt;
  return value;
}

std::optional<wall_time> assemble(std::string_view day_text, std::string_view month_text,
                                  std::string_view year_text, const std::string_view* clock) noexcept {
  const auto day = whole_number(day_text);
  auto year = whole_number(year_text);
  const auto hour = whole_number(clock[0]);
  const auto minute = whole_number(clock[1]);
  const auto second = whole_number(clock[2]);
  unsigned month = 0;
  for (unsigned i = 0; i < months.size(); ++i)
    if (months[i] == month_text)
      month = i + 1;
  if (!day || !year || !hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  if (year_text.size() == 2)
    *year += *year < 70 ? 2000 : 1900;
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{month},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (*year > 9999 || !date.ok())
    return std::nullopt;
  return wall_time{std::chrono::sys_days{date}} + std::chrono::hours{*hour} + std::chrono::minutes{*minute}
         + std::chrono::seconds{*second};
}

/// Finds the wait in "Please try again in 6m0s." or "Please retry after 26 seconds."
std::optional<milliseconds> wait_in_message(std::string_view message) {
  static constexpr std::array<std::string_view, 3> phrases{"try again in ", "retry after ", "retry in "};
  for (const auto phrase : phrases) {
    const auto found = message.find(phrase);
    if (found == std::string_view::npos)
      continue;
    auto rest = message.substr(found + phrase.size());
    double total = 0;
    bool any = false;
    while (true) {
      auto attempt = rest;
      const auto value = take_decimal(attempt);
      if (!value)
        break;
      while (!attempt.empty() && attempt.front() == ' ')
        attempt.remove_prefix(1);
      const auto unit = unit_ms(take_letters(attempt));
      if (unit == 0)
        break;
      total += *value * unit;
      any = true;
      rest = attempt;
    }
    if (any)
      return from_milliseconds(total);
  }
  return std::nullopt;
}

} // namespace

std::optional<milliseconds> parse_go_duration(std::string_view text) noexcept {
  text = trimmed(text);
  if (text.empty())
    return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const auto value = take_decimal(text);
    if (!value)
      return std::nullopt;
    const auto unit_text = take_letters(text);
    const auto unit = unit_text.size() <= 2 ? unit_ms(unit_text) : 0;
    if (unit == 0)
      return std::nullopt;
    total += *value * unit;
  }
  return from_milliseconds(total);
}

std::optional<wall_time> parse_http_date(std::string_view text) noexcept {
  const auto parts = split_date(trimmed(text));
  const auto& p = parts.part;
  // Sun, 06 Nov 1994 08:49:37 GMT  and  Sunday, 06-Nov-94 08:49:37 GMT
  if (parts.count == 8 && p[7] == "GMT")
    return assemble(p[1], p[2], p[3], &p[4]);
  // Sun Nov  6 08:49:37 1994
  if (parts.count == 7)
    return assemble(p[2], p[1], p[6], &p[3]);
  return std::nullopt;
}

std::optional<milliseconds> retry_after(const http_headers& headers, std::string_view message,
                                        wall_time now) {
  if (const auto wait = whole_decimal(find_header(headers, "retry-after-ms"), 1))
    return wait;
  const auto header = find_header(headers, "retry-after");
  if (const auto wait = whole_decimal(header, 1000))
    return wait;
  if (const auto date = parse_http_date(header))
    return std::max(milliseconds{0}, std::chrono::duration_cast<milliseconds>(*date - now));
  return wait_in_message(message);
}

} // namespace assay::codecs
