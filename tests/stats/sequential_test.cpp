#include "core/stats/sequential_tests.hpp"

#include "core/stats/confidence_sequence.hpp"
#include "core/stats/random.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace assay::stats {
namespace {

bool draw(random_stream& random, double share) { return random.uniform() < share; }

// Every simulation has fixed seeds: what it shows is the same each time.
constexpr int runs = 300;
constexpr int observations = 500;

TEST(bounded_mean_sequence, HoldsAtAllTimesAtOnce) {
  for (const double share : {0.5, 0.1}) {
    int missed = 0;
    for (uint64_t run = 0; run < runs; ++run) {
      random_stream random(run);
      bounded_mean_sequence sequence(0.95, 0, 1, 200);
      bool outside = false;
      for (int i = 0; i < observations && !outside; ++i) {
        sequence.add(draw(random, share) ? 1 : 0);
        const auto now = sequence.confidence();
        outside = share < now.low || share > now.high;
      }
      missed += outside ? 1 : 0;
    }
    EXPECT_LE(missed, runs * 5 / 100) << share;
  }
}

TEST(bounded_mean_sequence, IsNarrowAndNeverWidens) {
  random_stream random(1);
  bounded_mean_sequence sequence;
  double width = 1;
  for (int i = 0; i < 1000; ++i) {
    sequence.add(draw(random, 0.9) ? 1 : 0);
    const auto now = sequence.confidence();
    EXPECT_LE(now.high - now.low, width + 1e-12);
    width = now.high - now.low;
  }
  // A fixed-time interval of 0.9 is 0.037 wide there.
  EXPECT_LT(width, 0.085);
  EXPECT_LT(sequence.confidence().low, 0.9);
  EXPECT_GT(sequence.confidence().high, 0.9);
}

TEST(bounded_mean_sequence, TakesOtherBounds) {
  bounded_mean_sequence differences(0.95, -1, 1);
  EXPECT_EQ(differences.confidence(), (interval{-1, 1}));
  for (int i = 0; i < 300; ++i)
    differences.add(0);
  EXPECT_NEAR(differences.mean(), 0, 1e-12);
  EXPECT_LT(differences.confidence().high, 0.1);
  EXPECT_GT(differences.confidence().low, -0.1);
}

TEST(asymptotic_sequence, FollowsItsFormula) {
  // r^2 = (-2 ln a + ln(1 - 2 ln a)) / 500 with a = 0.05
  const double rho = (5.991464547 + std::log(6.991464547)) / 500;
  const double n = 400;
  const double half =
      0.4 * std::sqrt(2 * (n * rho + 1) / (n * n * rho) * std::log(std::sqrt(n * rho + 1) / 0.05));
  const auto found = asymptotic_sequence_interval(0.8, 0.4, 400);
  EXPECT_NEAR(found.high - 0.8, half, 1e-9);
  EXPECT_NEAR(0.8 - found.low, half, 1e-9);
  EXPECT_EQ(asymptotic_sequence_interval(0.8, 0, 400), (interval{0.8, 0.8}));
}

TEST(sequential_mcnemar, FollowsItsFormula) {
  sequential_mcnemar test;
  for (int i = 0; i < 10; ++i) {
    test.add(false, true);
    test.add(true, true);
  }
  // 2^10 B(1, 11) = 1024 / 11
  EXPECT_NEAR(test.p(), 11.0 / 1024, 1e-12);
  EXPECT_EQ(test.only_second(), 10U);
}

TEST(sequential_mcnemar, KeepsItsLevelThoughOneLooksAfterEveryPair) {
  int mistakes = 0;
  for (uint64_t run = 0; run < runs; ++run) {
    random_stream random(run);
    sequential_mcnemar test;
    for (int i = 0; i < observations; ++i)
      test.add(draw(random, 0.6), draw(random, 0.6));
    mistakes += test.p() <= 0.05 ? 1 : 0;
  }
  EXPECT_LE(mistakes, runs * 5 / 100);
}

TEST(sequential_mcnemar, WhereThePlainTestWouldNot) {
  // Why the sequential ones exist: the exact test at each look finds far too much.
  int mistakes = 0;
  for (uint64_t run = 0; run < runs / 3; ++run) {
    random_stream random(run);
    uint64_t first = 0;
    uint64_t second = 0;
    bool found = false;
    for (int i = 0; i < observations && !found; ++i) {
      const bool one = draw(random, 0.6);
      const bool two = draw(random, 0.6);
      first += one && !two ? 1 : 0;
      second += two && !one ? 1 : 0;
      found = one != two && mcnemar_exact(first, second).p <= 0.05;
    }
    mistakes += found ? 1 : 0;
  }
  EXPECT_GT(mistakes, runs / 3 * 10 / 100);
}

TEST(sequential_two_proportions, KeepsItsLevelAndFindsWhatDiffers) {
  int mistakes = 0;
  int found = 0;
  for (uint64_t run = 0; run < runs; ++run) {
    random_stream random(run);
    sequential_two_proportions same;
    sequential_two_proportions different;
    for (int i = 0; i < observations; ++i) {
      same.add_first(draw(random, 0.3));
      same.add_second(draw(random, 0.3));
      different.add_first(draw(random, 0.3));
      different.add_second(draw(random, 0.5));
    }
    mistakes += same.p() <= 0.05 ? 1 : 0;
    found += different.p() <= 0.05 ? 1 : 0;
  }
  EXPECT_LE(mistakes, runs * 5 / 100);
  EXPECT_GE(found, runs * 95 / 100);
}

TEST(sequential_two_proportions, WaitsForTheOtherStream) {
  sequential_two_proportions test;
  test.add_first(true);
  test.add_first(false);
  EXPECT_EQ(test.waiting(), 2U);
  EXPECT_EQ(test.first().trials, 0U);
  test.add_second(true);
  EXPECT_EQ(test.first().successes, 1U);
  EXPECT_EQ(test.second().successes, 1U);
  EXPECT_EQ(test.waiting(), 1U);
}

TEST(mixture_sprt, KeepsItsLevelAndFindsWhatDiffers) {
  int mistakes = 0;
  int found = 0;
  int outside = 0;
  for (uint64_t run = 0; run < runs; ++run) {
    random_stream random(run);
    mixture_sprt same;
    mixture_sprt different;
    proportion one;
    proportion two;
    proportion other;
    bool missed = false;
    for (int i = 0; i < observations; ++i) {
      one = {one.successes + (draw(random, 0.3) ? 1U : 0U), one.trials + 1};
      two = {two.successes + (draw(random, 0.3) ? 1U : 0U), two.trials + 1};
      other = {other.successes + (draw(random, 0.45) ? 1U : 0U), other.trials + 1};
      same.update(one, two);
      different.update(other, two);
      const auto now = different.confidence();
      missed = missed || now.low > 0.15 || now.high < 0.15;
    }
    mistakes += same.p() <= 0.05 ? 1 : 0;
    found += different.p() <= 0.05 ? 1 : 0;
    outside += missed ? 1 : 0;
  }
  EXPECT_LE(mistakes, runs * 5 / 100);
  EXPECT_LE(outside, runs * 5 / 100);
  EXPECT_GE(found, runs * 90 / 100);
}

TEST(mixture_sprt, SaysNothingOfFewObservations) {
  mixture_sprt test;
  test.update({10, 10}, {0, 10});
  EXPECT_EQ(test.p(), 1);
  EXPECT_EQ(test.confidence(), (interval{-1, 1}));
  test.update({60, 60}, {0, 60});
  EXPECT_LT(test.p(), 0.001) << "all right against all wrong";
}

} // namespace
} // namespace assay::stats
