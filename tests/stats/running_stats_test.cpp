#include "core/stats/running_stats.hpp"
#include "core/stats/summary.hpp"

#include <gtest/gtest.h>

#include <array>

namespace assay::stats {
namespace {

// Expected values from Python's statistics module: fmean, variance, stdev.
constexpr std::array<double, 10> scores{0.1, 0.5, 0.25, 0.75, 1.0, 0.3, 0.6, 0.9, 0.45, 0.05};

TEST(running_stats, AgreesWithPythonsStatisticsModule) {
  running_stats all;
  for (const double score : scores)
    all.add(score);
  EXPECT_EQ(all.count(), 10U);
  EXPECT_NEAR(all.mean(), 0.49, 1e-14);
  EXPECT_NEAR(all.variance(), 0.10544444444444445, 1e-14);
  EXPECT_NEAR(all.standard_deviation(), 0.3247221034122014, 1e-14);
  EXPECT_NEAR(all.standard_error(), 0.10268614533832908, 1e-14);
  EXPECT_EQ(all.minimum(), 0.05);
  EXPECT_EQ(all.maximum(), 1.0);
}

TEST(running_stats, KeepsItsPrecisionFarFromZero) {
  // The textbook sum of squares gives 29.33 or worse here; the variance is 30.
  running_stats all;
  for (const double value : {1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16})
    all.add(value);
  EXPECT_NEAR(all.variance(), 30.0, 1e-6);
}

TEST(running_stats, MergesPartsIntoTheWholeWhereverTheyAreCut) {
  for (size_t cut = 0; cut <= scores.size(); ++cut) {
    running_stats left;
    running_stats right;
    for (size_t i = 0; i < scores.size(); ++i)
      (i < cut ? left : right).add(scores[i]);
    left.merge(right);
    EXPECT_EQ(left.count(), 10U);
    EXPECT_NEAR(left.mean(), 0.49, 1e-14) << cut;
    EXPECT_NEAR(left.variance(), 0.10544444444444445, 1e-14) << cut;
    EXPECT_EQ(left.minimum(), 0.05);
    EXPECT_EQ(left.maximum(), 1.0);
  }
}

TEST(running_stats, HasNoSpreadBelowTwoValues) {
  running_stats one;
  EXPECT_EQ(one.mean(), 0);
  EXPECT_EQ(one.variance(), 0);
  one.add(0.7);
  EXPECT_EQ(one.mean(), 0.7);
  EXPECT_EQ(one.variance(), 0);
  EXPECT_EQ(one.standard_error(), 0);
}

TEST(summary, UsesStudentsIntervalForGradedScores) {
  const summary s = summarise(scores);
  EXPECT_EQ(s.method, interval_method::student_t);
  // t(0.975, 9) = 2.262157162798, found by bisecting Simpson's integral of the density.
  EXPECT_NEAR(s.confidence.low, 0.49 - 2.262157162798 * 0.10268614533832908, 1e-9);
  EXPECT_NEAR(s.confidence.high, 0.49 + 2.262157162798 * 0.10268614533832908, 1e-9);
}

TEST(summary, UsesWilsonsIntervalWhenEveryScoreIsZeroOrOne) {
  const std::array<double, 10> passed{1, 1, 0, 1, 1, 0, 1, 1, 0, 1};
  const summary s = summarise(passed);
  EXPECT_EQ(s.method, interval_method::wilson);
  EXPECT_NEAR(s.mean, 0.7, 1e-14);
  EXPECT_NEAR(s.confidence.low, 0.39677814746114537, 1e-9);
  EXPECT_NEAR(s.confidence.high, 0.8922087325936989, 1e-9);
}

TEST(summary, ClaimsNothingAboutNoScoresOrOneGradedScore) {
  EXPECT_EQ(summarise({}).method, interval_method::none);
  EXPECT_EQ(summarise({}).count, 0U);
  const std::array<double, 1> one{0.5};
  EXPECT_EQ(summarise(one).method, interval_method::none);
  EXPECT_EQ(summarise(one).confidence, (interval{0.5, 0.5}));
}

TEST(summary, MergedPartsKnowWhetherAllScoresWereZeroOrOne) {
  score_accumulator binary;
  binary.add(1);
  binary.add(0);
  score_accumulator graded;
  graded.add(0.5);
  EXPECT_EQ(binary.finish().method, interval_method::wilson);
  binary.merge(graded);
  EXPECT_EQ(binary.finish().method, interval_method::student_t);
  EXPECT_EQ(binary.finish().count, 3U);
}

} // namespace
} // namespace assay::stats
