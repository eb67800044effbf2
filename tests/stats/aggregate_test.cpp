#include "core/stats/aggregate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include <limits>

namespace assay::stats {
namespace {

score_value value(uint8_t scorer, double score) { return {scorer, score, {}}; }

TEST(task_score, IsTheWeightedMeanOfThePrimaryScorers) {
  task_accumulator task({{3, true}, {1, true}, {10, false}}, failed_samples::exclude);
  task.add(std::vector{value(0, 1), value(1, 0), value(2, 0)});
  task.add(std::vector{value(0, 1), value(1, 1), value(2, 0)});
  const task_score score = task.finish();
  // Means 1 and 0.5, weights 3 and 1.
  ASSERT_TRUE(score.score);
  EXPECT_DOUBLE_EQ(*score.score, (3 * 1.0 + 1 * 0.5) / 4);
  EXPECT_DOUBLE_EQ(score.scorers[1].mean, 0.5);
  EXPECT_DOUBLE_EQ(score.scorers[2].mean, 0);
  EXPECT_EQ(score.samples, 2U);
}

TEST(task_score, LeavesFailedSamplesOutAndCountsThem) {
  task_accumulator task({{1, true}}, failed_samples::exclude);
  task.add(std::vector{value(0, 1)});
  task.add_failed();
  const task_score score = task.finish();
  EXPECT_DOUBLE_EQ(*score.score, 1);
  EXPECT_EQ(score.errors, 1U);
  EXPECT_EQ(score.samples, 2U);
  EXPECT_EQ(score.primary.count, 1U);
}

TEST(task_score, CountsFailedSamplesAsZeroWhenTheTaskSaysSo) {
  task_accumulator task({{1, true}, {1, false}}, failed_samples::zero);
  task.add(std::vector{value(0, 1), value(1, 1)});
  task.add_failed();
  const task_score score = task.finish();
  EXPECT_DOUBLE_EQ(*score.score, 0.5);
  EXPECT_DOUBLE_EQ(score.scorers[1].mean, 0.5);
  EXPECT_EQ(score.errors, 1U);
}

TEST(task_score, CountsAnswersThatNobodyWasToScoreAsNoErrors) {
  task_accumulator all({{1, true}}, failed_samples::exclude);
  all.add_unscored();
  all.add_unscored();
  const auto score = all.finish();
  EXPECT_EQ(score.samples, 2U);
  EXPECT_EQ(score.errors, 0U);
  EXPECT_FALSE(score.score);
}

TEST(task_score, DoesNotExistWhenEverySampleFailed) {
  task_accumulator task({{1, true}}, failed_samples::exclude);
  task.add_failed();
  EXPECT_FALSE(task.finish().score);
  EXPECT_FALSE(task_accumulator({{1, true}}, failed_samples::zero).finish().score);
}

TEST(task_score, TakesASampleWithoutItsPrimaryScoreAsFailed) {
  task_accumulator task({{1, true}, {1, true}}, failed_samples::exclude);
  task.add(std::vector{value(0, 1)});
  task.add(std::vector{value(0, 1), value(1, std::numeric_limits<double>::quiet_NaN())});
  EXPECT_EQ(task.finish().errors, 2U);
  EXPECT_FALSE(task.finish().score);
}

TEST(task_score, MergesParts) {
  task_accumulator left({{1, true}}, failed_samples::zero);
  task_accumulator right({{1, true}}, failed_samples::zero);
  left.add(std::vector{value(0, 1)});
  right.add(std::vector{value(0, 0.5)});
  right.add_failed();
  left.merge(right);
  EXPECT_DOUBLE_EQ(*left.finish().score, 0.5);
  EXPECT_EQ(left.finish().samples, 3U);
  EXPECT_EQ(left.finish().errors, 1U);
}

TEST(primary_score, IgnoresScorersOfWeightZero) {
  const std::vector<scorer_weight> scorers{{0, true}, {2, true}};
  EXPECT_DOUBLE_EQ(*primary_score(std::vector{value(1, 0.25)}, scorers), 0.25);
  EXPECT_FALSE(primary_score(std::vector{value(0, 1)}, scorers));
}

TEST(counted_score, AddsUpToTheTasksScore) {
  const std::vector<scorer_weight> scorers{{3, true}, {1, true}, {10, false}};
  sample_record one;
  one.status = sample_status::scored;
  one.scores = {value(0, 1), value(1, 0), value(2, 0)};
  sample_record lacking = one;
  lacking.scores = {value(0, 1)};
  sample_record failed;
  failed.status = sample_status::failed;
  sample_record unscored;
  unscored.status = sample_status::scored;
  for (const auto rule : {failed_samples::exclude, failed_samples::zero}) {
    task_accumulator task(scorers, rule);
    task.add(one.scores);
    task.add(lacking.scores);
    task.add_failed();
    task.add_unscored();
    double sum = 0;
    uint64_t count = 0;
    for (const auto* sample : {&one, &lacking, &failed, &unscored})
      if (const auto part = counted_score(*sample, scorers, rule)) {
        sum += *part;
        ++count;
      }
    const auto score = task.finish();
    EXPECT_EQ(count, score.primary.count);
    EXPECT_DOUBLE_EQ(sum / static_cast<double>(count), score.score.value_or(-1));
  }
}

TEST(overall_score, IsThePlainMeanOfTheTasksThatHaveAScore) {
  const std::vector<std::optional<double>> tasks{0.9, std::nullopt, 0.3};
  EXPECT_DOUBLE_EQ(*overall_score(tasks), 0.6);
  EXPECT_FALSE(overall_score({}));
}

TEST(task_accumulator, TakesTheScorersOwnAggregateInPlaceOfTheMean) {
  scoring::scorer_definition bleu;
  bleu.type = scoring::scorer_type::bleu;
  const auto empty = std::make_shared<const scoring::run_aggregate>(bleu);
  task_accumulator first({{1, true, empty}, {1, false}}, failed_samples::exclude);
  task_accumulator second = first;
  // Words of answer and reference, then common and all n-grams of one to four words.
  first.add(std::vector<score_value>{{0, 1, "6 6 6 5 4 3 6 5 4 3"}, {1, 0.5, ""}});
  second.add(std::vector<score_value>{{0, 0.2, "2 5 1 0 0 0 2 1 0 0"}, {1, 0.5, ""}});
  first.merge(second);
  const task_score score = first.finish();
  const double corpus = std::exp(1 - 11.0 / 8) * std::pow(7.0 / 8 * 5 / 6, 0.25);
  ASSERT_TRUE(score.score);
  EXPECT_NEAR(*score.score, corpus, 1e-12);
  EXPECT_NEAR(*metric_of(score, 0), corpus, 1e-12);
  EXPECT_EQ(metric_of(score, 1), 0.5);
  EXPECT_FALSE(metric_of(score, 2));
  EXPECT_NEAR(score.scorers[0].mean, 0.6, 1e-12) << "the samples' own values stay";
  EXPECT_FALSE(task_accumulator({{1, true, empty}}, failed_samples::exclude).finish().score);
}

} // namespace
} // namespace assay::stats
