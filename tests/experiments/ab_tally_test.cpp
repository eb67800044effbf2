#include "tests/experiments/support.hpp"

namespace assay::experiments {
namespace {

using test::quality_of;
using test::success_of;
using test::test_of;
using test::two_temperatures;

TEST(ab_tally, ADifferenceThatIsThereWinsAfterTheMinimum) {
  const auto test = test_of(two_temperatures());
  ab_tally tally(test);
  for (int i = 0; i < 19; ++i) {
    ASSERT_TRUE(tally.add(quality_of(0, 0.1)));
    ASSERT_TRUE(tally.add(quality_of(1, 0.9)));
  }
  EXPECT_FALSE(tally.verdict(false).winner) << "before the minimum";
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(tally.add(quality_of(0, 0.1)));
    ASSERT_TRUE(tally.add(quality_of(1, 0.9)));
  }
  const auto shown = tally.analysis();
  EXPECT_EQ(shown.at("winner"), "low_temp");
  EXPECT_EQ(shown.at("significant"), true);
  EXPECT_GT(shown.at("confidence"), 0.95);
  const auto& low = shown.at("variants").at("low_temp");
  EXPECT_EQ(low.at("sample_size"), 29);
  EXPECT_EQ(low.at("success_rate"), 1.0);
  EXPECT_NEAR(low.at("quality_score").get<double>(), 0.9, 1e-12);
  EXPECT_TRUE(low.at("performance_score").is_null()) << "no response times were told";
}

TEST(ab_tally, NothingIsDecidedWithoutADifference) {
  ab_tally tally(test_of(two_temperatures()));
  for (int i = 0; i < 400; ++i)
    ASSERT_TRUE(tally.add(quality_of(static_cast<size_t>(i % 2), i % 4 < 2 ? 0.4 : 0.6)));
  const auto shown = tally.analysis();
  EXPECT_TRUE(shown.at("winner").is_null());
  EXPECT_EQ(shown.at("significant"), false);
  EXPECT_TRUE(shown.at("undecided_because").is_string());
}

TEST(ab_tally, LessLatencyWins) {
  auto written = two_temperatures();
  written["success_metric"] = "latency";
  ab_tally tally(test_of(written));
  for (int i = 0; i < 600; ++i) {
    observation one;
    one.variant = static_cast<size_t>(i % 2);
    one.response_time = (i % 2 == 0 ? 2.0 : 1.0) + 0.1 * (i % 7);
    ASSERT_TRUE(tally.add(one));
  }
  EXPECT_EQ(tally.analysis().at("winner"), "low_temp");
}

TEST(ab_tally, ABrokenSplitIsToldAndDecidesNothing) {
  ab_tally tally(test_of(two_temperatures()));
  for (int i = 0; i < 900; ++i)
    ASSERT_TRUE(tally.add(quality_of(i % 3 == 0 ? 1 : 0, i % 3 == 0 ? 0.9 : 0.1)));
  const auto shown = tally.analysis();
  EXPECT_EQ(shown.at("sample_ratio").at("mismatch"), true);
  EXPECT_TRUE(shown.at("winner").is_null());
  EXPECT_FALSE(shown.at("warnings").empty());
}

TEST(ab_tally, PairsComeTogetherByTheirUnitInAnyOrder) {
  auto written = two_temperatures();
  written["paired"] = true;
  written["success_metric"] = "success_rate";
  ab_tally tally(test_of(written));
  for (int i = 0; i < 40; ++i) {
    auto one = success_of(0, false);
    one.unit = std::to_string(i);
    ASSERT_TRUE(tally.add(one));
  }
  for (int i = 39; i >= 0; --i) {
    auto one = success_of(1, true);
    one.unit = std::to_string(i);
    ASSERT_TRUE(tally.add(one));
  }
  const auto seen = tally.verdict(true);
  EXPECT_EQ(seen.pairs.at(0).compared, 40U);
  EXPECT_EQ(seen.winner, 1U);
}

TEST(ab_tally, AUnitCountsOnceUnderAVariantOfAPairedTest) {
  auto written = two_temperatures();
  written["paired"] = true;
  ab_tally tally(test_of(written));
  auto one = quality_of(0, 0.5);
  one.unit = "sample-1";
  ASSERT_TRUE(tally.add(one));
  const auto again = tally.add(one);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, errc::conflict);
  EXPECT_EQ(tally.count(), 1U);
}

TEST(ab_tally, TheWinnerOfThreeBeatsBothOthers) {
  auto written = two_temperatures();
  written["variants"]["medium"] = {{"temperature", 0.5}};
  ab_tally tally(test_of(written));
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(tally.add(quality_of(0, 0.9)));
    ASSERT_TRUE(tally.add(quality_of(1, 0.2)));
    ASSERT_TRUE(tally.add(quality_of(2, i % 2 == 0 ? 0.8 : 1.0)));
  }
  auto seen = tally.verdict(true);
  EXPECT_FALSE(seen.winner) << "two are equally good";
  EXPECT_LT(seen.pairs.at(0).adjusted_p, 0.05);
}

TEST(pair_evidence, WhatRunsFarAheadIsSetAside) {
  pair_evidence evidence(pair_evidence::values::bounded, 0.5, 0.5);
  for (size_t i = 0; i < pair_evidence::most_waiting + 10; ++i)
    evidence.add_first(0.5);
  EXPECT_EQ(evidence.set_aside(), 10U);
  evidence.add_second(0.5);
  EXPECT_EQ(evidence.differences().count(), 1U);
}

} // namespace
} // namespace assay::experiments
