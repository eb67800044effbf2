#include "core/stats/effect_size.hpp"
#include "core/stats/hypothesis_tests.hpp"
#include "core/stats/multiple_tests.hpp"
#include "core/stats/pass_at_k.hpp"
#include "core/stats/power.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <initializer_list>
#include <vector>

namespace assay::stats {
namespace {

running_stats stats_of(std::initializer_list<double> values) {
  running_stats out;
  for (const double value : values)
    out.add(value);
  return out;
}

// "Student" (1908): hours of sleep gained by ten patients under two drugs. R's documentation of `sleep` and
// `t.test` gives the results.
const auto sleep_one = stats_of({0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0});
const auto sleep_two = stats_of({1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4});
const auto sleep_gain = stats_of({1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4});

TEST(paired_t, GivesWhatRGivesForStudentsSleep) {
  const auto test = paired_t(sleep_gain);
  EXPECT_NEAR(test.statistic, 4.0621, 5e-5);
  EXPECT_EQ(test.degrees, 9);
  EXPECT_NEAR(test.p, 0.002833, 5e-7);
}

TEST(paired_t, SaysNothingOfOneValueAndNothingDiffersWithoutDifferences) {
  EXPECT_EQ(paired_t(stats_of({1})).p, 1);
  EXPECT_EQ(paired_t(stats_of({0, 0, 0})).p, 1);
}

TEST(welch_t, GivesWhatRGivesForStudentsSleep) {
  const auto test = welch_t(sleep_one, sleep_two);
  EXPECT_NEAR(test.statistic, -1.8608, 5e-5);
  EXPECT_NEAR(test.degrees, 17.776, 5e-4);
  EXPECT_NEAR(test.p, 0.07939, 5e-6);
  const auto between = welch_interval(sleep_one, sleep_two);
  EXPECT_NEAR(between.low, -3.3654832, 1e-6);
  EXPECT_NEAR(between.high, 0.2054832, 1e-6);
}

TEST(mcnemar_exact, GivesThePublishedExample) {
  // Fagerland, Lydersen and Laake (2013), table of airway hyper-responsiveness: 1 and 7 discordant pairs.
  EXPECT_NEAR(mcnemar_exact(1, 7).p, 18.0 / 256, 1e-12);
  EXPECT_NEAR(mcnemar_exact(7, 1).p, 18.0 / 256, 1e-12);
  EXPECT_NEAR(mcnemar_exact(1, 7, true).p, 10.0 / 256, 1e-12);
}

TEST(mcnemar_exact, IsSureOfNothingWherePairsAgreeOrAreEven) {
  EXPECT_EQ(mcnemar_exact(0, 0).p, 1);
  EXPECT_EQ(mcnemar_exact(5, 5).p, 1);
  EXPECT_NEAR(mcnemar_exact(1, 1, true).p, 0.75, 1e-12);
}

TEST(paired_proportions_interval, DoesNotShrinkToNothing) {
  const auto all_agree = paired_proportions_interval(0, 0, 10);
  EXPECT_LT(all_agree.low, -0.1);
  EXPECT_GT(all_agree.high, 0.1);
  EXPECT_NEAR(all_agree.low, -all_agree.high, 1e-12);
  EXPECT_LT(paired_proportions_interval(20, 5, 100).high, 0) << "the second is worse";
}

TEST(newcombe_interval, GivesThePublishedExample) {
  // Newcombe (1998), table II, example (a), method 10.
  const auto between = newcombe_interval({56, 70}, {48, 80});
  EXPECT_NEAR(between.low, 0.0524, 5e-5);
  EXPECT_NEAR(between.high, 0.3339, 5e-5);
}

TEST(two_proportions_z, ComparesWithThePooledShare) {
  const auto test = two_proportions_z({56, 70}, {48, 80});
  // 0.2 / sqrt(0.6933 * 0.3067 * (1 / 70 + 1 / 80))
  EXPECT_NEAR(test.statistic, 2.6502, 5e-4);
  EXPECT_NEAR(test.p, 0.00804, 5e-5);
  EXPECT_EQ(two_proportions_z({5, 5}, {9, 9}).p, 1);
  EXPECT_TRUE(is_large_enough({56, 70}, {48, 80}));
  EXPECT_FALSE(is_large_enough({1, 70}, {2, 80}));
}

TEST(fisher_exact, GivesThePublishedExamples) {
  // Fisher's tea, and his convictions of twins: R's documentation of fisher.test.
  EXPECT_NEAR(fisher_exact({3, 4}, {1, 4}).p, 0.4857142857, 1e-9);
  EXPECT_NEAR(fisher_exact({2, 17}, {10, 13}).p, 0.0005367, 5e-8);
  EXPECT_EQ(fisher_exact({0, 4}, {0, 9}).p, 1);
}

TEST(sample_ratio_mismatch, SeesWhatCannotBeChance) {
  EXPECT_GT(sample_ratio_mismatch(std::array<uint64_t, 2>{5050, 4950}, std::array{1.0, 1.0}).p, 0.3);
  EXPECT_LT(sample_ratio_mismatch(std::array<uint64_t, 2>{5300, 4700}, std::array{0.5, 0.5}).p, 1e-8);
  EXPECT_GT(sample_ratio_mismatch(std::array<uint64_t, 3>{800, 105, 95}, std::array{8.0, 1.0, 1.0}).p, 0.5);
  EXPECT_EQ(sample_ratio_mismatch({}, {}).p, 1);
}

TEST(effect_size, FollowsTheFormulas) {
  EXPECT_NEAR(cohens_d_paired(sleep_gain).value(), 1.284558, 1e-5) << "t / sqrt n";
  EXPECT_NEAR(cohens_d(sleep_one, sleep_two).value(), -0.8321811, 1e-5);
  EXPECT_NEAR(cohens_h(0.5, 0.25), M_PI / 6, 1e-12);
  EXPECT_FALSE(cohens_d_paired(stats_of({1, 1})));
  EXPECT_NEAR(odds_ratio_of({10, 20}, {5, 20}).value, 3, 1e-12);
  EXPECT_DOUBLE_EQ(paired_odds_ratio(4, 12), 3);
  EXPECT_DOUBLE_EQ(paired_odds_ratio(0, 3), 7);
  const auto with_zero = odds_ratio_of({0, 10}, {5, 10});
  EXPECT_GT(with_zero.value, 0);
  EXPECT_LT(with_zero.confidence.low, with_zero.value);
}

TEST(power, GivesTheKnownSampleSizes) {
  // Half a deviation, alpha 0.05, power 0.8: (1.959964 + 0.841621)^2 / 0.25 = 31.4 pairs, 62.8 a group.
  EXPECT_EQ(pairs_needed(0.5, 1), 32U);
  EXPECT_EQ(samples_needed(0.5, 1), 63U);
  EXPECT_EQ(pairs_needed(0, 1), 0U);
  // Fleiss without correction: 0.6 against 0.4.
  EXPECT_EQ(samples_needed_for_proportions(0.6, 0.4), 97U);
}

TEST(power, AndTheSmallestEffectSayTheSame) {
  const double error = 0.03;
  const double effect = minimum_detectable_effect(error);
  EXPECT_NEAR(effect, 2.801585 * error, 1e-6);
  EXPECT_NEAR(power_of(effect, error), 0.8, 1e-4);
  EXPECT_NEAR(power_of(0, error), 0.05, 1e-9);
  const double rise = minimum_detectable_rise(0.5, 400);
  EXPECT_NEAR(power_of_proportions(0.5 + rise, 400, 0.5, 400), 0.8, 1e-6);
  const auto needed = samples_needed_for_proportions(0.5 + rise, 0.5);
  EXPECT_NEAR(static_cast<double>(needed), 400, 2);
}

TEST(power, OfMcNemarGrowsWithTheDiscordantPairs) {
  EXPECT_LT(pairs_needed_for_mcnemar(0.1, 0.15), pairs_needed_for_mcnemar(0.1, 0.4));
  EXPECT_EQ(pairs_needed_for_mcnemar(0, 0.4), 0U);
  EXPECT_GT(pairs_needed_for_mcnemar(0.1, 0.4), 300U);
}

TEST(multiple_tests, CorrectInTheOrderOfTheirInput) {
  const std::array p{0.01, 0.04, 0.03, 0.005};
  const auto by_holm = holm(p);
  const auto by_rate = benjamini_hochberg(p);
  const std::array expected_holm{0.03, 0.06, 0.06, 0.02};
  const std::array expected_rate{0.02, 0.04, 0.04, 0.02};
  for (size_t i = 0; i < p.size(); ++i) {
    EXPECT_NEAR(by_holm[i], expected_holm[i], 1e-15) << i;
    EXPECT_NEAR(by_rate[i], expected_rate[i], 1e-15) << i;
  }
  EXPECT_TRUE(holm({}).empty());
  EXPECT_EQ(holm(std::array{0.9, 0.8})[0], 1);
}

TEST(pass_at_k, IsTheShareOfSubsetsWithARightAnswer) {
  EXPECT_NEAR(pass_at_k({10, 3}, 1).value(), 0.3, 1e-12);
  EXPECT_NEAR(pass_at_k({10, 3}, 5).value(), 1 - 21.0 / 252, 1e-15);
  EXPECT_EQ(pass_at_k({10, 3}, 8), 1.0);
  EXPECT_EQ(pass_at_k({10, 0}, 8), 0.0);
  EXPECT_FALSE(pass_at_k({4, 3}, 5));
  EXPECT_FALSE(pass_at_k({4, 3}, 0));
  EXPECT_NEAR(pass_all_k({10, 3}, 2).value(), 3.0 / 45, 1e-15);
  EXPECT_EQ(pass_all_k({10, 3}, 4), 0.0);
}

TEST(pass_at_k, CountsSamplesForItsError) {
  const std::array<repeated_trials, 5> samples{{{2, 2}, {2, 0}, {2, 1}, {2, 1}, {1, 1}}};
  const auto found = estimate_pass_at_k(samples, 2);
  EXPECT_EQ(found.samples, 4U);
  EXPECT_EQ(found.left_out, 1U);
  EXPECT_DOUBLE_EQ(found.mean, 0.75);
  EXPECT_DOUBLE_EQ(found.standard_error, 0.25);
}

} // namespace
} // namespace assay::stats
