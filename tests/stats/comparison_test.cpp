#include "core/stats/comparison.hpp"

#include "core/stats/hypothesis_tests.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace assay::stats {
namespace {

/// A run of one task and one prompt whose samples have these scores.
run_scores run_of(std::string name, const std::vector<double>& scores, std::string task = "sums") {
  run_scores out{std::move(name), "model", {"plain"}, {}};
  task_scores one{std::move(task), "hash", {}, scores.size(), 0};
  for (uint32_t i = 0; i < scores.size(); ++i)
    one.scores.push_back({i, 0, 0, scores[i]});
  out.tasks.push_back(std::move(one));
  return out;
}

std::vector<double> repeated(std::initializer_list<std::pair<double, int>> parts) {
  std::vector<double> out;
  for (const auto& [value, times] : parts)
    out.insert(out.end(), static_cast<size_t>(times), value);
  return out;
}

TEST(comparison, OfRightAndWrongIsMcNemars) {
  const std::vector runs{run_of("a", repeated({{1, 40}, {0, 12}, {1, 2}, {0, 46}})),
                         run_of("b", repeated({{1, 40}, {1, 12}, {0, 2}, {0, 46}}))};
  const auto found = compare_runs(runs);
  ASSERT_EQ(found.rows.size(), 1U);
  const auto& row = found.rows.front();
  EXPECT_EQ(row.pairs, 100U);
  EXPECT_EQ(row.only_first_right, 2U);
  EXPECT_EQ(row.only_second_right, 12U);
  EXPECT_NEAR(row.difference, 0.1, 1e-12);
  EXPECT_NEAR(row.first_mean, 0.42, 1e-12);
  EXPECT_EQ(row.test, paired_test::mcnemar_exact);
  EXPECT_DOUBLE_EQ(row.p, mcnemar_exact(2, 12).p);
  EXPECT_EQ(row.found, finding::better);
  EXPECT_DOUBLE_EQ(row.odds_ratio.value(), 6);
  ASSERT_TRUE(row.bootstrap);
  EXPECT_GT(row.bootstrap->low, 0);
  EXPECT_GT(row.confidence.low, 0);
  EXPECT_TRUE(found.totals.empty()) << "there is one row only";
}

TEST(comparison, OfOtherScoresIsThePairedT) {
  const std::vector runs{run_of("a", {0.1, 0.5, 0.3, 0.9, 0.2}), run_of("b", {0.0, 0.3, 0.2, 0.7, 0.15})};
  const auto row = compare_runs(runs).rows.front();
  EXPECT_EQ(row.test, paired_test::paired_t);
  // Differences -0.1, -0.2, -0.1, -0.2, -0.05: mean -0.13, deviation 0.0670820.
  EXPECT_NEAR(row.difference, -0.13, 1e-12);
  EXPECT_NEAR(row.effect_size.value(), -0.13 / 0.06708204, 1e-6);
  EXPECT_EQ(row.found, finding::worse);
  EXPECT_NEAR(row.detectable.value(), 2.801585 * 0.03, 1e-6);
}

TEST(comparison, PairsOnlyWhatBothHaveAndNamesTheRest) {
  auto first = run_of("a", repeated({{1, 6}}));
  auto second = run_of("b", repeated({{1, 8}}));
  first.tasks[0].scores.erase(first.tasks[0].scores.begin() + 2);
  const auto row = compare_runs(std::vector{first, second}).rows.front();
  EXPECT_EQ(row.pairs, 5U);
  EXPECT_EQ(row.unmatched_first, 0U);
  EXPECT_EQ(row.unmatched_second, 3U);
  EXPECT_THAT(row.unmatched, testing::ElementsAre("sums:plain:2", "sums:plain:6", "sums:plain:7"));
}

TEST(comparison, TakesTheEpochsOfASampleForOneValue) {
  auto first = run_of("a", {1, 0, 1});
  auto second = run_of("b", {1, 1, 1});
  second.tasks[0].scores.push_back({1, 0, 1, 0});
  const auto row = compare_runs(std::vector{first, second}).rows.front();
  EXPECT_EQ(row.pairs, 3U);
  EXPECT_NEAR(row.difference, 0.5 / 3, 1e-12);
  EXPECT_EQ(row.test, paired_test::paired_t) << "a half is neither right nor wrong";
}

TEST(comparison, LeavesOutWhatIsNotTheSame) {
  auto first = run_of("a", {1, 0});
  auto second = run_of("b", {1, 0});
  second.tasks[0].dataset_hash = "other";
  first.tasks.push_back({"more", "x", {}, 0, 0});
  const auto found = compare_runs(std::vector{first, second});
  EXPECT_TRUE(found.rows.empty());
  EXPECT_THAT(found.notes, testing::UnorderedElementsAre(testing::HasSubstr("different datasets"),
                                                         testing::HasSubstr("task 'more'")));
}

TEST(comparison, FindsTheRowsOfAnotherDatasetByWhatTheyAsk) {
  auto first = run_of("a", {1, 0, 1, 0});
  auto second = run_of("b", {0, 1, 1});
  second.tasks[0].dataset_hash = "other";
  // Rows 1, 2 and 3 of the first are 2, 0 and none of the second, whose row 1 is new.
  first.tasks[0].contents = {{0, 0, 10}, {1, 0, 11}, {2, 0, 12}, {3, 0, 13}};
  second.tasks[0].contents = {{0, 0, 12}, {1, 0, 99}, {2, 0, 11}};
  const auto found = compare_runs(std::vector{first, second});
  ASSERT_EQ(found.rows.size(), 1U);
  const auto& row = found.rows.front();
  EXPECT_EQ(row.pairs, 2U);
  EXPECT_EQ(row.only_first_right, 1U) << "row 2 of the first";
  EXPECT_EQ(row.only_second_right, 1U) << "row 1 of the first";
  EXPECT_EQ(row.unmatched_first + row.unmatched_second, 0U);
  EXPECT_THAT(found.notes, testing::ElementsAre(testing::AllOf(
                               testing::HasSubstr("the 2 rows with the same prompt and target"),
                               testing::HasSubstr("2 more in a"), testing::HasSubstr("1 more in b"))));
}

TEST(comparison, TakesRowsThatStandTwiceInADatasetInTheirOrder) {
  auto first = run_of("a", {1, 0, 1});
  auto second = run_of("b", {1, 1});
  second.tasks[0].dataset_hash = "other";
  first.tasks[0].contents = {{0, 0, 7}, {1, 0, 7}, {2, 0, 7}};
  second.tasks[0].contents = {{0, 0, 7}, {1, 0, 7}};
  const auto row = compare_runs(std::vector{first, second}).rows.at(0);
  EXPECT_EQ(row.pairs, 2U);
  EXPECT_EQ(row.only_second_right, 1U);
}

TEST(comparison, LeavesOutDatasetsThatShareNothing) {
  auto first = run_of("a", {1, 0});
  auto second = run_of("b", {1, 0});
  second.tasks[0].dataset_hash = "other";
  first.tasks[0].contents = {{0, 0, 1}, {1, 0, 2}};
  second.tasks[0].contents = {{0, 0, 3}, {1, 0, 4}};
  const auto found = compare_runs(std::vector{first, second});
  EXPECT_TRUE(found.rows.empty());
  EXPECT_THAT(found.notes, testing::ElementsAre(testing::HasSubstr("without a row that asks the same")));
}

TEST(comparison, TakesTheOnlyPromptsOfBothForEachOther) {
  const auto first = run_of("a", {1, 0, 1});
  auto second = run_of("b", {1, 1, 1});
  second.variants = {"imported"};
  second.tasks[0].dataset_hash.clear();
  const auto found = compare_runs(std::vector{first, second});
  ASSERT_EQ(found.rows.size(), 1U);
  EXPECT_EQ(found.rows[0].pairs, 3U);
  EXPECT_EQ(found.rows[0].variant, "plain / imported");
  EXPECT_THAT(found.notes, testing::ElementsAre(testing::HasSubstr("is compared with prompt 'imported'")));
  second.variants.push_back("other");
  EXPECT_TRUE(compare_runs(std::vector{first, second}).rows.empty());
}

TEST(comparison, CorrectsForHowManyThingsAreCompared) {
  const auto base = repeated({{1, 10}, {0, 8}, {0, 30}});
  const auto more = repeated({{1, 10}, {1, 8}, {0, 30}});
  const std::vector runs{run_of("a", base), run_of("b", more), run_of("c", more)};
  const auto found = compare_runs(runs);
  ASSERT_EQ(found.rows.size(), 3U);
  // Twice 2 / 256, and 1 for b against c.
  EXPECT_NEAR(found.rows[0].p, 2.0 / 256, 1e-12);
  EXPECT_NEAR(found.rows[0].p_adjusted, 6.0 / 256, 1e-12);
  EXPECT_DOUBLE_EQ(found.rows[2].p_adjusted, 1);
  EXPECT_EQ(found.rows[0].found, finding::better);
  EXPECT_EQ(found.rows[2].found, finding::unclear);
}

TEST(comparison, AddsTheTasksUp) {
  auto first = run_of("a", repeated({{1, 10}, {0, 10}}));
  auto second = run_of("b", repeated({{1, 16}, {0, 4}}));
  auto more_of_first = run_of("a", repeated({{1, 5}, {0, 5}}), "words").tasks[0];
  auto more_of_second = run_of("b", repeated({{1, 6}, {0, 4}}), "words").tasks[0];
  first.tasks.push_back(more_of_first);
  second.tasks.push_back(more_of_second);
  const auto found = compare_runs(std::vector{first, second});
  ASSERT_EQ(found.rows.size(), 2U);
  ASSERT_EQ(found.totals.size(), 1U);
  const auto& total = found.totals.front();
  EXPECT_NEAR(total.difference, (0.3 + 0.1) / 2, 1e-12) << "the mean of the tasks, whatever their size";
  EXPECT_NEAR(total.first_mean, 0.5, 1e-12);
  const double one = found.rows[0].standard_error;
  const double two = found.rows[1].standard_error;
  EXPECT_NEAR(total.standard_error, std::sqrt(one * one + two * two) / 2, 1e-12);
  EXPECT_EQ(total.pairs, 30U);
  EXPECT_EQ(total.test, paired_test::normal);
}

TEST(comparison, IsNotSureOfAFewPairsThatAllDifferAlike) {
  const auto row = compare_runs(std::vector{run_of("a", {0.2, 0.4}), run_of("b", {0.3, 0.5})}).rows.front();
  EXPECT_EQ(row.found, finding::unclear);
  const auto same = compare_runs(std::vector{run_of("a", {0.5, 0.5}), run_of("b", {0.5, 0.5})}).rows.front();
  EXPECT_EQ(same.found, finding::unclear);
  EXPECT_LT(same.confidence.low, -0.1);
  EXPECT_GT(same.confidence.high, 0.1);
}

TEST(comparison, ShowsNullForWhatIsNotKnown) {
  const auto body = to_json(compare_runs(std::vector{run_of("a", {1}), run_of("b", {0})}));
  const auto& row = body["comparisons"][0];
  EXPECT_EQ(row["pairs"], 1);
  EXPECT_EQ(row["difference"], -1.0);
  EXPECT_TRUE(row["p"].is_null());
  EXPECT_TRUE(row["confidence_interval"].is_null());
  EXPECT_EQ(row["finding"], "unclear");
  EXPECT_EQ(body["runs"][1]["evaluation_id"], "b");
}

} // namespace
} // namespace assay::stats
