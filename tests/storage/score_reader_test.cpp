#include "storage/score_reader.hpp"

#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace assay::storage {
namespace {

using namespace testing;

run_record run_with_dataset(run_id id, std::string hash) {
  run_record run;
  run.spec.id = id;
  run.spec.prompt_types = {"baseline"};
  pinned_task task;
  task.id = task_id{"sums"};
  task.dataset_hash = std::move(hash);
  task.scorer_names = {"exact_match"};
  run.spec.tasks = {task};
  return run;
}

/// Row i asks the i-th question.
void store_run(test_farm& farm, const run_record& run, const std::vector<std::string>& questions) {
  write_batch batch;
  batch.runs = {run};
  for (uint32_t i = 0; i < questions.size(); ++i) {
    batch.samples.push_back(sample_of(run.spec.id, i));
    batch.samples.back().scores = {{0, 1.0, {}}};
    batch.responses.push_back(response_of(run.spec.id, i));
    batch.responses.back().prompt = shared_text{questions[i]};
    batch.responses.back().target = shared_text{"right"};
  }
  ASSERT_FALSE(farm.write(std::move(batch)).error);
}

TEST(score_reader, KnowsRowsOfOtherDatasetsByWhatTheyAsk) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto first = run_with_dataset(first_run, "old");
  const auto second = run_with_dataset(second_run, "new");
  store_run(farm, first, {"one", "two", ""});
  store_run(farm, second, {"two", "other"});
  const auto before = read_scores(farm.data(), first, {{}, {}, true});
  const auto after = read_scores(farm.data(), second, {{}, {}, true});
  ASSERT_TRUE(before.has_value());
  ASSERT_TRUE(after.has_value());
  const auto& had = before->tasks.at(0).contents;
  const auto& has = after->tasks.at(0).contents;
  ASSERT_EQ(had.size(), 2U) << "what was not kept is not known";
  ASSERT_EQ(has.size(), 2U);
  EXPECT_EQ(had[1].hash, has[0].hash);
  EXPECT_NE(had[0].hash, has[1].hash);
  EXPECT_EQ(stats::compare_runs(std::vector{*before, *after}).rows.at(0).pairs, 1U);
}

TEST(score_reader, ReadsNoAnswersUnlessAsked) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto run = run_with_dataset(first_run, "old");
  store_run(farm, run, {"one"});
  const auto read = read_scores(farm.data(), run);
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(read->tasks.at(0).contents.empty());
  EXPECT_EQ(read->tasks.at(0).scores.size(), 1U);
}

TEST(score_reader, MakesOneValueOfRepeatsAsTheTaskSays) {
  const temp_folder temp;
  test_farm farm(temp.data());
  auto run = run_with_dataset(first_run, "old");
  run.spec.epochs = 3;
  run.spec.tasks[0].definition = R"({"id": "sums", "dataset": "a.jsonl", "prompt": "{q}", "target": "{a}",
    "scorer": "exact_match", "epochs": 3, "epochs_reducer": "max"})";
  write_batch batch;
  batch.runs = {run};
  for (uint32_t row = 0; row < 2; ++row)
    for (uint16_t epoch = 0; epoch < 3; ++epoch) {
      auto sample = sample_of(first_run, row);
      sample.address.epoch = epoch;
      sample.scores = {{0, row == 1 && epoch == 1 ? 1.0 : 0.0, {}}};
      batch.samples.push_back(sample);
    }
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  const auto read = read_scores(farm.data(), run);
  ASSERT_TRUE(read.has_value()) << to_string(read.error());
  const auto& task = read->tasks.at(0);
  EXPECT_EQ(task.samples, 6U);
  ASSERT_EQ(task.scores.size(), 2U);
  EXPECT_EQ(task.scores[0].score, 0.0);
  EXPECT_EQ(task.scores[1].score, 1.0) << "a mean would be a third";
}

TEST(score_reader, SaysWhetherDatasetsDiffer) {
  const std::vector same{run_with_dataset(first_run, "a"), run_with_dataset(second_run, "a")};
  const std::vector differ{run_with_dataset(first_run, "a"), run_with_dataset(second_run, "b")};
  const std::vector unknown{run_with_dataset(first_run, "a"), run_with_dataset(second_run, "")};
  EXPECT_FALSE(have_different_datasets(same, {}));
  EXPECT_TRUE(have_different_datasets(differ, {}));
  EXPECT_FALSE(have_different_datasets(differ, "words"));
  EXPECT_FALSE(have_different_datasets(unknown, {}));
}

} // namespace
} // namespace assay::storage
