#include "core/schedules/cron.hpp"

#include <gtest/gtest.h>

#include <string>

namespace assay::schedules {
namespace {

using namespace std::chrono;

wall_time at(int year, unsigned month, unsigned day, int hour = 0, int minute = 0, int second = 0) {
  return time_point_cast<wall_time::duration>(
      sys_days{std::chrono::year{year} / std::chrono::month{month} / std::chrono::day{day}} + hours{hour}
      + minutes{minute} + seconds{second});
}

std::string next(const char* text, wall_time after, minutes offset = minutes{0}) {
  const auto times = cron::parse(text);
  if (!times)
    return to_string(times.error());
  const auto found = times->next(after, offset);
  return found ? to_rfc3339(*found) : "never";
}

TEST(cron, ComesAtTheNextTimeAndNeverAtTheSameAgain) {
  EXPECT_EQ(next("* * * * *", at(2026, 3, 29, 1, 59, 30)), to_rfc3339(at(2026, 3, 29, 2, 0)));
  EXPECT_EQ(next("30 2 * * *", at(2026, 3, 29, 2, 29, 59)), to_rfc3339(at(2026, 3, 29, 2, 30)));
  EXPECT_EQ(next("30 2 * * *", at(2026, 3, 29, 2, 30)), to_rfc3339(at(2026, 3, 30, 2, 30)));
  EXPECT_EQ(next("0 0 1 1 *", at(2026, 1, 1)), to_rfc3339(at(2027, 1, 1)));
}

TEST(cron, KnowsListsRangesStepsAndNames) {
  EXPECT_EQ(next("*/15 * * * *", at(2026, 1, 1, 0, 16)), to_rfc3339(at(2026, 1, 1, 0, 30)));
  EXPECT_EQ(next("5/20 * * * *", at(2026, 1, 1, 0, 26)), to_rfc3339(at(2026, 1, 1, 0, 45)));
  EXPECT_EQ(next("0 9-17/4 * * *", at(2026, 1, 1, 9, 30)), to_rfc3339(at(2026, 1, 1, 13, 0)));
  EXPECT_EQ(next("0 6,18 * * *", at(2026, 1, 1, 7)), to_rfc3339(at(2026, 1, 1, 18)));
  // 2026-01-02 is a Friday.
  EXPECT_EQ(next("0 0 * * mon-wed", at(2026, 1, 2)), to_rfc3339(at(2026, 1, 5)));
  EXPECT_EQ(next("0 0 * * 7", at(2026, 1, 2)), to_rfc3339(at(2026, 1, 4)));
  EXPECT_EQ(next("0 0 1 FEB *", at(2026, 1, 2)), to_rfc3339(at(2026, 2, 1)));
}

TEST(cron, TakesEitherDayWhenBothAreRestricted) {
  EXPECT_EQ(next("0 0 13 * fri", at(2026, 1, 2)), to_rfc3339(at(2026, 1, 9)));
  EXPECT_EQ(next("0 0 13 * fri", at(2026, 1, 9)), to_rfc3339(at(2026, 1, 13)));
}

TEST(cron, KnowsLeapDaysAndWhatNeverComes) {
  EXPECT_EQ(next("0 0 29 2 *", at(2026, 1, 1)), to_rfc3339(at(2028, 2, 29)));
  EXPECT_EQ(next("0 0 30 2 *", at(2026, 1, 1)), "never");
}

TEST(cron, SpeaksOfItsOwnClock) {
  EXPECT_EQ(next("30 2 * * *", at(2026, 1, 1), hours{2}), to_rfc3339(at(2026, 1, 1, 0, 30)));
  EXPECT_EQ(next("30 2 * * *", at(2026, 1, 1, 0, 30), hours{2}), to_rfc3339(at(2026, 1, 2, 0, 30)));
  EXPECT_EQ(next("0 20 * * *", at(2026, 1, 1), -hours{5}), to_rfc3339(at(2026, 1, 1, 1)));
  EXPECT_EQ(offset_from_string("UTC"), minutes{0});
  EXPECT_EQ(offset_from_string("+05:30"), minutes{330});
  EXPECT_EQ(offset_from_string("-0800"), minutes{-480});
  for (const auto* wrong : {"Europe/Berlin", "+5", "+25:00", "05:00", "+05:60", "+0a:00"})
    EXPECT_FALSE(offset_from_string(wrong)) << wrong;
}

TEST(cron, RefusesWhatIsNone) {
  for (const auto* wrong :
       {"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
        "5-1 * * * *", "*/0 * * * *", "a * * * *", "1,,2 * * * *", "* * * * fry"})
    EXPECT_FALSE(cron::parse(wrong)) << wrong;
  EXPECT_EQ(cron::parse("61 * * * *").error().where, "cron");
}

} // namespace
} // namespace assay::schedules
