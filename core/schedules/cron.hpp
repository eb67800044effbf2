#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"

#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace assay::schedules {

/// When something recurs: five fields as cron has them (minute, hour, day of the month, month, day of the
/// week), each with *, numbers, ranges, lists and steps; months and days of the week by their first three
/// letters too; 0 and 7 are Sunday. Where both days are restricted, either will do, as in cron.
class cron {
public:
  /// @returns errc::invalid_argument, with what is wrong and the field's name.
  static result<cron> parse(std::string_view text);

  /// @param offset Of the clock that the fields speak of, east of UTC. It never changes, so every time of a
  /// day comes exactly once.
  /// @returns the first time after @p after, to the minute; nothing when there is none in thirty years, like
  /// the 30th of February.
  std::optional<wall_time> next(wall_time after, std::chrono::minutes offset) const;

private:
  bool takes_day(std::chrono::year_month_day day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = true;
  bool any_weekday_ = true;
};

/// `UTC`, `Z`, `+02:00` or `-0530`. @returns the offset east of UTC; nothing for another word, also for names
/// of places, whose clocks jump.
std::optional<std::chrono::minutes> offset_from_string(std::string_view text);

} // namespace assay::schedules
