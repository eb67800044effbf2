#include "core/values/time.hpp"

#include <gtest/gtest.h>

namespace assay {
namespace {

using namespace std::chrono_literals;

TEST(rfc3339, WritesMillisecondsOnlyWhenThereAreSome) {
  EXPECT_EQ(to_rfc3339(wall_time{1704110400000ms}), "2024-01-01T12:00:00Z");
  EXPECT_EQ(to_rfc3339(wall_time{1704110400250ms}), "2024-01-01T12:00:00.250Z");
}

TEST(rfc3339, ReadsOffsetsAndFractions) {
  const wall_time noon{1704110400000ms};
  EXPECT_EQ(from_rfc3339("2024-01-01T12:00:00Z"), noon);
  EXPECT_EQ(from_rfc3339("2024-01-01T14:00:00+02:00"), noon);
  EXPECT_EQ(from_rfc3339("2024-01-01T06:30:00-05:30"), noon);
  EXPECT_EQ(from_rfc3339("2024-01-01T12:00:00.1239Z"), noon + 123ms);
}

TEST(rfc3339, RefusesOtherForms) {
  for (const auto* text :
       {"", "2024-01-01", "2024-01-01T12:00:00", "2024-02-30T12:00:00Z", "2024-01-01T25:00:00Z",
        "2024-01-01T12:00:00Zx", "24-01-01T12:00:00Z", "2024-01-01T12:00:00+2:00"})
    EXPECT_FALSE(from_rfc3339(text)) << text;
}

TEST(human_duration, ChoosesTheUnit) {
  EXPECT_EQ(to_human(250ms), "250 ms");
  EXPECT_EQ(to_human(12300ms), "12.3 s");
  EXPECT_EQ(to_human(245s), "4 m 05 s");
  EXPECT_EQ(to_human(123min), "2 h 03 m");
}

} // namespace
} // namespace assay
