#include "core/control/token_calibration.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace assay::control {
namespace {

TEST(token_calibration, ChangesNothingUntilSomethingWasCounted) {
  token_calibration fresh;
  EXPECT_DOUBLE_EQ(fresh.factor(), 1.0);
  EXPECT_EQ(fresh.apply(123), 123u);
  EXPECT_EQ(fresh.apply(0), 0u);
  EXPECT_EQ(fresh.error(), std::nullopt);
  fresh.observe(0, 10);
  fresh.observe(10, 0);
  EXPECT_EQ(fresh.observations(), 0u) << "a zero says nothing";
}

TEST(token_calibration, FindsTheFactorWithinAFewCalls) {
  token_calibration one;
  for (uint32_t i = 1; i <= 20; ++i)
    one.observe(100 * i, 150 * i);
  EXPECT_NEAR(one.factor(), 1.5, 0.001);
  EXPECT_EQ(one.apply(1000), 1500u);
}

TEST(token_calibration, ConvergesThroughNoise) {
  token_calibration one;
  for (uint32_t i = 0; i < 200; ++i) {
    const double noise = (i % 5) * 0.1 - 0.2; // -20 % to 20 %
    one.observe(1'000, static_cast<uint32_t>(1'000 * 0.7 * (1 + noise)));
  }
  EXPECT_NEAR(one.factor(), 0.7, 0.05);
  ASSERT_TRUE(one.error());
  EXPECT_NEAR(*one.error(), 0.12, 0.05) << "what is left is the noise's own mean";
}

TEST(token_calibration, TellsItsErrorBeforeItLearnsFromACount) {
  token_calibration one;
  one.observe(100, 200);
  EXPECT_DOUBLE_EQ(one.error().value(), 0.5) << "100 was said and 200 counted";
  one.observe(100, 200);
  EXPECT_NEAR(one.error().value(), 0.25, 0.001) << "the second was right, and both count alike";
  for (int i = 0; i < 200; ++i)
    one.observe(100, 200);
  EXPECT_LT(one.error().value(), 0.01) << "old errors are forgotten";
}

TEST(token_calibration, AnOddCountHardlyMovesIt) {
  token_calibration one;
  for (int i = 0; i < 50; ++i)
    one.observe(100, 120);
  one.observe(100, 100'000);
  EXPECT_NEAR(one.factor(), 1.2, 0.03);
  one.observe(100'000, 1);
  EXPECT_NEAR(one.factor(), 1.2, 0.03);
}

TEST(token_calibration, FollowsAModelThatCountsOtherwiseFromNowOn) {
  token_calibration one;
  for (int i = 0; i < 50; ++i)
    one.observe(100, 100);
  for (int i = 0; i < 200; ++i)
    one.observe(100, 250);
  EXPECT_NEAR(one.factor(), 2.5, 0.05);
}

TEST(token_calibration, StaysWithinWhatIsPossible) {
  token_calibration one;
  for (int i = 0; i < 10'000; ++i)
    one.observe(1, std::numeric_limits<uint32_t>::max());
  EXPECT_LT(one.factor(), 50);
  EXPECT_GT(one.apply(std::numeric_limits<uint32_t>::max()), 0u);
  for (int i = 0; i < 10'000; ++i)
    one.observe(std::numeric_limits<uint32_t>::max(), 1);
  EXPECT_GT(one.factor(), 0.02);
  EXPECT_EQ(one.apply(1), 1u) << "something is at least one token";
}

TEST(token_calibration, ASuccessorGoesOnWhereItsPredecessorWas) {
  token_calibration one;
  for (int i = 0; i < 30; ++i)
    one.observe(100, 140);
  token_calibration next{one.export_state()};
  EXPECT_EQ(next.export_state(), one.export_state());
  next.observe(100, 10'000);
  EXPECT_NEAR(next.factor(), 1.4, 0.03) << "it is settled from the first count on";
}

TEST(token_calibration, TakesNothingImpossibleFromAPredecessor) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& past : {token_calibration_record{nan, 0, 5}, token_calibration_record{40, 0, 5},
                           token_calibration_record{0.5, nan, 5}, token_calibration_record{0.5, -1, 5},
                           token_calibration_record{0.5, 0.1, 0}}) {
    const token_calibration next{past};
    EXPECT_DOUBLE_EQ(next.factor(), 1.0);
    EXPECT_EQ(next.error(), std::nullopt);
  }
}

} // namespace
} // namespace assay::control
