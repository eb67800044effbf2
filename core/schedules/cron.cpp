#include "core/schedules/cron.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>
#include <vector>

namespace assay::schedules {

namespace {

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_names{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct field {
  const char* name;
  unsigned least;
  unsigned most;
  std::span<const std::string_view> words; ///< The first stands for `least`.
};

const std::array<field, 5> fields{field{"minute", 0, 59, {}}, field{"hour", 0, 23, {}},
                                  field{"day of the month", 1, 31, {}}, field{"month", 1, 12, month_names},
                                  field{"day of the week", 0, 7, weekday_names}};

std::optional<unsigned> number_of(std::string_view text, const field& of) {
  for (size_t i = 0; i < of.words.size(); ++i)
    if (std::ranges::equal(text, of.words[i],
                           [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; }))
      return of.least + static_cast<unsigned>(i);
  unsigned out = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (wrong != std::errc{} || end != text.data() + text.size() || out < of.least || out > of.most)
    return std::nullopt;
  return out;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  while (true) {
    const auto end = text.find(at);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos)
      return out;
    text.remove_prefix(end + 1);
  }
}

/// Calls @p take with every number that one part of a list stands for. @returns whether it can be read.
template <class Take>
bool read_part(std::string_view part, const field& of, Take take) {
  unsigned step = 1;
  const auto slash = part.find('/');
  if (slash != std::string_view::npos) {
    const auto text = part.substr(slash + 1);
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), step);
    if (wrong != std::errc{} || end != text.data() + text.size() || step == 0 || step > of.most)
      return false;
    part = part.substr(0, slash);
  }
  auto low = of.least;
  auto high = of.most;
  if (part != "*") {
    const auto dash = part.find('-');
    const auto first = number_of(part.substr(0, dash), of);
    const auto last = dash == std::string_view::npos ? first : number_of(part.substr(dash + 1), of);
    if (!first || !last || *first > *last)
      return false;
    low = *first;
    // `5/15` is from 5 on, as in cron.
    high = dash == std::string_view::npos && slash != std::string_view::npos ? of.most : *last;
  }
  for (auto i = low; i <= high; i += step)
    take(i);
  return true;
}

} // namespace

result<cron> cron::parse(std::string_view text) {
  std::vector<std::string_view> parts;
  for (const auto part : split(text, ' '))
    if (!part.empty())
      parts.push_back(part);
  if (parts.size() != fields.size())
    return fault{errc::invalid_argument, "needs five fields and has " + std::to_string(parts.size()), "cron",
                 "minute hour day-of-month month day-of-week: 30 2 * * mon-fri"};
  cron out;
  out.any_day_ = parts[2].starts_with('*');
  out.any_weekday_ = parts[4].starts_with('*');
  for (size_t i = 0; i < fields.size(); ++i)
    for (const auto part : split(parts[i], ',')) {
      const auto take = [&](unsigned number) {
        switch (i) {
        case 0:
          out.minutes_.set(number);
          break;
        case 1:
          out.hours_.set(number);
          break;
        case 2:
          out.days_.set(number);
          break;
        case 3:
          out.months_.set(number);
          break;
        default:
          out.weekdays_.set(number % 7);
        }
      };
      if (!read_part(part, fields[i], take))
        return fault{errc::invalid_argument,
                     "'" + std::string(part) + "' is no " + fields[i].name + ", list, range or step", "cron",
                     std::to_string(fields[i].least) + " to " + std::to_string(fields[i].most)};
    }
  return out;
}

bool cron::takes_day(std::chrono::year_month_day day) const {
  if (!months_.test(static_cast<unsigned>(day.month())))
    return false;
  const bool of_month = days_.test(static_cast<unsigned>(day.day()));
  const bool of_week = weekdays_.test(std::chrono::weekday{std::chrono::sys_days{day}}.c_encoding());
  return any_day_ || any_weekday_ ? of_month && of_week : of_month || of_week;
}

std::optional<wall_time> cron::next(wall_time after, std::chrono::minutes offset) const {
  using namespace std::chrono;
  const auto local = floor<minutes>(after + offset) + minutes{1};
  auto day = floor<days>(local);
  const auto last = day + years{30};
  auto from = static_cast<unsigned>((local - day).count());
  for (; day < last; day += days{1}, from = 0) {
    if (!takes_day(year_month_day{day}))
      continue;
    for (auto at = from; at < 24 * 60; ++at)
      if (hours_.test(at / 60) && minutes_.test(at % 60))
        return time_point_cast<wall_time::duration>(day + minutes{at} - offset);
  }
  return std::nullopt;
}

std::optional<std::chrono::minutes> offset_from_string(std::string_view text) {
  if (text.empty() || text == "UTC" || text == "Z")
    return std::chrono::minutes{0};
  const bool east = text.front() == '+';
  if (!east && text.front() != '-')
    return std::nullopt;
  std::string digits;
  for (const char c : text.substr(1)) {
    if (c == ':' && digits.size() == 2)
      continue;
    if (c < '0' || c > '9')
      return std::nullopt;
    digits += c;
  }
  if (digits.size() != 4)
    return std::nullopt;
  const int hours = (digits[0] - '0') * 10 + (digits[1] - '0');
  const int minutes = (digits[2] - '0') * 10 + (digits[3] - '0');
  if (hours > 14 || minutes > 59)
    return std::nullopt;
  const std::chrono::minutes out{hours * 60 + minutes};
  return east ? out : -out;
}

} // namespace assay::schedules
