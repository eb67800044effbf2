#include "storage/test_counts.hpp"

#include "core/reports/test_database.hpp"
#include "tests/storage/helper_process.hpp"
#include "tests/storage/support.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::storage {
namespace {

using namespace testing;

constexpr const char* definition = "id: sums\nname: Sums\ndescription: Small sums.\nlanguages: [en]\n"
                                   "difficulty: advanced\ntask_type: reasoning\ndataset: /sums.jsonl\n"
                                   "prompts:\n  plain: \"{a}\"\n  polite: \"please {a}\"\n"
                                   "target: \"{b}\"\nscorer: {type: numeric}\n";

run_record run_that_counts(run_id id) {
  auto out = run_of(id, run_state::completed);
  out.spec.model = model_id{"m"};
  out.spec.owner = user_id{"ada"};
  out.spec.prompt_types = {"plain", "polite"};
  pinned_task task;
  task.id = task_id{"sums"};
  task.definition = definition;
  task.sample_count = 3;
  task.scorer_names = {"numeric"};
  out.spec.tasks = {task};
  out.progress.done = 6;
  out.finished_at = wall_time{seconds{1'700'000'100}};
  return out;
}

sample_record scored(run_id run, uint32_t sample, uint16_t variant, double score, uint16_t generation = 0) {
  sample_record out;
  out.run = run;
  out.address = {0, variant, sample, 0, 0, generation};
  out.status = sample_status::scored;
  out.scores = {{0, score, {}}};
  return out;
}

uint64_t total_of(const std::shared_ptr<store>& data) {
  reports::test_database database;
  for (auto& source : read_counts(data).value())
    database.add(std::move(source));
  return database.statistics()["summary"]["total_tests"].get<uint64_t>();
}

TEST(stored_counts, AreThoseOfTheNewestAnswers) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto run = run_that_counts(first_run);
  write_batch batch;
  batch.runs = {run};
  batch.samples = {scored(first_run, 0, 0, 1), scored(first_run, 1, 0, 0), scored(first_run, 1, 0, 1, 1),
                   scored(first_run, 0, 1, 0.5)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  const auto counted = count_tests(farm.data(), run).value();
  EXPECT_EQ(counted.name, to_string(first_run));
  EXPECT_EQ(counted.owner, user_id{"ada"});
  ASSERT_EQ(counted.tests.size(), 2U);
  EXPECT_EQ(counted.tests[0].kind,
            (reports::test_kind{"m", run.spec.provider.value, "sums", "reasoning", "plain", "advanced"}));
  EXPECT_EQ(counted.tests[0].counts.total, 2U) << "the retry replaces the first answer";
  EXPECT_EQ(counted.tests[0].counts.full, 2U);
  EXPECT_EQ(counted.tests[1].counts.partial, 1U);
}

TEST(stored_counts, NameTheRunsThatAreNotCounted) {
  const temp_folder temp;
  test_farm farm(temp.data());
  auto run = run_that_counts(first_run);
  auto rescored = run_that_counts(second_run);
  rescored.spec.origin = first_run;
  write_batch batch;
  batch.runs = {run, rescored};
  batch.samples = {scored(first_run, 0, 0, 1)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  EXPECT_EQ(uncounted_runs(farm.data()).value(), std::vector{first_run});

  write_batch counts;
  put_counts(counts, count_tests(farm.data(), run).value());
  ASSERT_FALSE(farm.write(std::move(counts)).error);
  EXPECT_TRUE(uncounted_runs(farm.data()).value().empty());

  run.generation = 1;
  write_batch retried;
  retried.runs = {run};
  ASSERT_FALSE(farm.write(std::move(retried)).error);
  EXPECT_EQ(uncounted_runs(farm.data()).value(), std::vector{first_run});
}

TEST(stored_counts, StayWhenTheirRunIsRemoved) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto run = run_that_counts(first_run);
  write_batch batch;
  batch.runs = {run};
  batch.samples = {scored(first_run, 0, 0, 1)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  write_batch counts;
  put_counts(counts, count_tests(farm.data(), run).value());
  ASSERT_FALSE(farm.write(std::move(counts)).error);
  write_batch away;
  away.erased_runs = {first_run};
  ASSERT_FALSE(farm.write(std::move(away)).error);
  EXPECT_EQ(total_of(farm.data()), 1U);
}

TEST(stored_counts, ASourceWithoutTestsIsNone) {
  const temp_folder temp;
  test_farm farm(temp.data());
  auto source = counts_of_run(1);
  write_batch batch;
  put_counts(batch, source);
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  EXPECT_EQ(total_of(farm.data()), 10U);
  source.tests.clear();
  write_batch gone;
  put_counts(gone, source);
  ASSERT_FALSE(farm.write(std::move(gone)).error);
  EXPECT_TRUE(read_counts(farm.data()).value().empty());
}

TEST(stored_counts, ManyWritersAtOnceLoseNothingAndCountNothingTwice) {
  constexpr uint32_t each = 30;
  const temp_folder temp;
  test_farm farm(temp.data());
  std::vector<std::unique_ptr<helper_process>> others;
  for (uint32_t i = 1; i <= 3; ++i)
    others.push_back(std::make_unique<helper_process>(
        "count",
        std::vector<std::string>{temp.data(), std::to_string(i * each), std::to_string((i + 1) * each)}));
  for (uint32_t number = 0; number < each; ++number) {
    write_batch batch;
    put_counts(batch, counts_of_run(number));
    ASSERT_FALSE(farm.write(std::move(batch)).error);
  }
  for (auto& other : others) {
    uint32_t written = 0;
    while (other->read_line())
      ++written;
    EXPECT_EQ(written, each);
    EXPECT_EQ(other->wait(), 0);
  }
  const auto sources = read_counts(farm.data()).value();
  EXPECT_EQ(sources.size(), 4 * each);
  EXPECT_EQ(total_of(farm.data()), uint64_t{4 * each * 10});
}

TEST(stored_counts, AWriterThatIsKilledLeavesWholeCountsAndMayBeginAnew) {
  constexpr uint32_t runs = 40;
  const temp_folder temp;
  { test_farm farm(temp.data()); }
  std::vector<uint32_t> reported;
  {
    helper_process counting("count", {temp.data(), "0", std::to_string(runs)});
    for (int i = 0; i < 5; ++i)
      reported.push_back(static_cast<uint32_t>(std::stoul(counting.read_line().value())));
    // Killed here, wherever it is.
  }
  {
    test_farm farm(temp.data());
    const auto sources = read_counts(farm.data()).value();
    EXPECT_GE(sources.size(), reported.size());
    for (const auto& source : sources)
      EXPECT_EQ(source.total(), 10U) << source.name;
  }
  helper_process again("count", {temp.data(), "0", std::to_string(runs)});
  while (again.read_line()) {
  }
  EXPECT_EQ(again.wait(), 0);
  test_farm farm(temp.data());
  EXPECT_EQ(total_of(farm.data()), uint64_t{runs * 10});
}

} // namespace
} // namespace assay::storage
