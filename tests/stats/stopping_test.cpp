#include "core/stats/stopping.hpp"

#include "core/stats/random.hpp"

#include <gtest/gtest.h>

namespace assay::stats {
namespace {

stopping_rule comparison() {
  stopping_rule rule;
  rule.against_baseline = true;
  return rule;
}

/// 0/1 scores of one sample under two models. @returns the difference.
double difference(random_stream& random, double first, double second) {
  const double score = random.uniform() < first ? 1 : 0;
  const double before = random.uniform() < second ? 1 : 0;
  return score - before;
}

TEST(stopping, EndsOnceTheIntervalIsNarrow) {
  stopping_rule rule;
  rule.half_width = 0.05;
  stopping_watch watch(rule);
  random_stream random(7);
  uint64_t at = 0;
  while (!watch.decision().stop() && at < 5000)
    watch.add(at++, random.uniform() < 0.9 ? 1.0 : 0.0);
  const auto& decision = watch.decision();
  EXPECT_EQ(decision.reason, stop_reason::narrow_enough);
  EXPECT_LE(decision.confidence.high - decision.confidence.low, 0.1);
  EXPECT_LT(decision.confidence.low, 0.9);
  EXPECT_GT(decision.confidence.high, 0.9);
  EXPECT_GT(decision.samples, 50U);
  EXPECT_LT(decision.samples, 1000U);
}

TEST(stopping, WaitsForTheLeastNumberOfSamples) {
  stopping_rule rule;
  rule.half_width = 0.5;
  rule.min_samples = 10;
  stopping_watch watch(rule);
  for (uint64_t i = 0; i < 9; ++i)
    EXPECT_FALSE(watch.add(i, 1).stop()) << i;
  EXPECT_TRUE(watch.add(9, 1).stop());
}

TEST(stopping, NeverEndsWithoutAReason) {
  stopping_watch watch(stopping_rule{});
  for (uint64_t i = 0; i < 500; ++i)
    EXPECT_FALSE(watch.add(i, 1).stop());
}

TEST(stopping, SaysWhichIsBetter) {
  random_stream random(11);
  stopping_watch better(comparison());
  stopping_watch worse(comparison());
  for (uint64_t i = 0; i < 2000; ++i) {
    const double d = difference(random, 0.8, 0.6);
    better.add(i, d);
    worse.add(i, -d);
  }
  EXPECT_EQ(better.decision().reason, stop_reason::better);
  EXPECT_EQ(worse.decision().reason, stop_reason::worse);
  EXPECT_LT(better.decision().samples, 1000U);
  EXPECT_GT(better.decision().confidence.low, 0);
}

TEST(stopping, FindsRunsThatDoNotDiffer) {
  auto rule = comparison();
  rule.equivalence_margin = 0.1;
  stopping_watch watch(rule);
  random_stream random(3);
  for (uint64_t i = 0; i < 5000 && !watch.decision().stop(); ++i)
    // Nine of ten samples are answered alike.
    watch.add(i, random.uniform() < 0.9 ? 0 : difference(random, 0.5, 0.5));
  EXPECT_EQ(watch.decision().reason, stop_reason::equivalent);
}

TEST(stopping, SeldomEndsByMistakeThoughItLooksAfterEveryValue) {
  int mistakes = 0;
  constexpr int runs = 200;
  for (int run = 0; run < runs; ++run) {
    random_stream random(1000 + static_cast<uint64_t>(run));
    auto rule = comparison();
    rule.min_samples = 1;
    stopping_watch watch(rule);
    for (uint64_t i = 0; i < 400 && !watch.decision().stop(); ++i)
      watch.add(i, difference(random, 0.7, 0.7));
    mistakes += watch.decision().stop() ? 1 : 0;
  }
  EXPECT_LE(mistakes, runs * 5 / 100);
}

TEST(stopping, TakesValuesInTheirOrderWheneverTheyCome) {
  stopping_rule rule;
  rule.half_width = 0.2;
  rule.min_samples = 1;
  stopping_watch in_order(rule);
  stopping_watch backwards(rule);
  for (uint64_t i = 0; i < 30; ++i)
    in_order.add(i, i % 3 == 0 ? 0.0 : 1.0);
  for (uint64_t i = 30; i-- > 0;) {
    EXPECT_EQ(backwards.decision().samples, 0U);
    backwards.add(i, i % 3 == 0 ? 0.0 : 1.0);
  }
  EXPECT_EQ(in_order.decision().samples, backwards.decision().samples);
  EXPECT_EQ(in_order.decision().confidence, backwards.decision().confidence);
  EXPECT_EQ(backwards.waiting(), 0U);
}

TEST(stopping, PassesOverSamplesThatDoNotCountAndOnesThatComeTwice) {
  stopping_watch watch(stopping_rule{});
  watch.add(0, 1);
  watch.add(1, std::nullopt);
  watch.add(0, 0);
  watch.add(2, 1);
  EXPECT_EQ(watch.decision().samples, 2U);
  EXPECT_DOUBLE_EQ(watch.decision().mean, 1);
}

TEST(stopping, ConcludesNothingFromValuesOutsideTheirBounds) {
  stopping_rule rule;
  rule.half_width = 0.5;
  rule.min_samples = 1;
  stopping_watch watch(rule);
  watch.add(0, 57);
  for (uint64_t i = 1; i < 200; ++i)
    watch.add(i, 1);
  EXPECT_TRUE(watch.decision().out_of_bounds);
  EXPECT_FALSE(watch.decision().stop());
}

TEST(stopping, StaysAsItWasAfterAStop) {
  stopping_rule rule;
  rule.half_width = 0.3;
  rule.min_samples = 5;
  stopping_watch watch(rule);
  uint64_t at = 0;
  while (!watch.decision().stop() && at < 1000)
    watch.add(at++, 1);
  const auto samples = watch.decision().samples;
  watch.add(at, 0);
  EXPECT_EQ(watch.decision().samples, samples);
  EXPECT_DOUBLE_EQ(watch.decision().mean, 1);
}

} // namespace
} // namespace assay::stats
