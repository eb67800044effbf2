#include "cli/earlier_runs.hpp"

#include <gtest/gtest.h>

namespace assay::cli {
namespace {

wall_time at(int64_t seconds_in) { return wall_time{milliseconds{seconds_in * 1000}}; }

run_spec spec_of(const std::string& model) {
  run_spec out;
  out.owner = command_line_user();
  out.model = model_id{model};
  out.provider = provider_id{"mock"};
  out.prompt_types = {"plain"};
  out.fingerprint = "asks " + model;
  pinned_task task;
  task.id = task_id{"sums"};
  task.definition_hash = "d1";
  task.dataset_path = "/data/sums.jsonl";
  task.dataset_hash = "r1";
  task.dataset_rows = 400;
  out.tasks.push_back(task);
  return out;
}

run_record run_of(const std::string& model, run_state state, int64_t begun, int64_t ended = 0) {
  run_record out;
  out.spec = spec_of(model);
  out.spec.id = run_id{static_cast<uint32_t>(begun), 1};
  out.spec.created_at = at(begun);
  out.state = state;
  if (is_final(state))
    out.finished_at = at(ended);
  return out;
}

const std::vector<wished_run> two{{spec_of("a"), false}, {spec_of("b"), false}};

TEST(match_earlier, TakesWhatCompletedBesideAnInterruptedRun) {
  const earlier_runs earlier{{run_of("b", run_state::running, 100)},
                             {run_of("a", run_state::completed, 100, 150)}};
  const auto match = match_earlier(earlier, two);
  ASSERT_EQ(match.taken.size(), 2U);
  ASSERT_TRUE(match.taken[0]);
  EXPECT_EQ(match.taken[0]->spec.model.value, "a");
  EXPECT_FALSE(match.goes_on[0]);
  EXPECT_FALSE(match.taken[1]);
  ASSERT_TRUE(match.goes_on[1]);
  EXPECT_EQ(match.goes_on[1]->spec.model.value, "b");
}

TEST(match_earlier, StartsAnewWhereNothingWasInterrupted) {
  const earlier_runs earlier{
      {}, {run_of("a", run_state::completed, 100, 150), run_of("b", run_state::completed, 100, 160)}};
  const auto match = match_earlier(earlier, two);
  for (size_t i = 0; i < two.size(); ++i) {
    EXPECT_FALSE(match.taken[i]) << i;
    EXPECT_FALSE(match.goes_on[i]) << i;
  }
}

TEST(match_earlier, LeavesWhatHadEndedBeforeTheInterruptedCommandBegan) {
  const earlier_runs earlier{{run_of("b", run_state::running, 100)},
                             {run_of("a", run_state::completed, 50, 99)}};
  EXPECT_FALSE(match_earlier(earlier, two).taken[0]);
}

TEST(match_earlier, LeavesOtherQuestionsFailuresAndOtherPeoplesRuns) {
  auto other = run_of("a", run_state::completed, 100, 150);
  other.spec.fingerprint = "something else";
  auto failed = run_of("a", run_state::failed, 100, 150);
  auto foreign = run_of("a", run_state::completed, 100, 150);
  foreign.spec.owner = user_id{"alice"};
  for (const auto& run : {other, failed, foreign}) {
    const earlier_runs earlier{{run_of("b", run_state::paused, 100)}, {run}};
    EXPECT_FALSE(match_earlier(earlier, two).taken[0]);
  }
}

TEST(match_earlier, GoesOnWithTheNewestOfSeveral) {
  const earlier_runs earlier{{run_of("b", run_state::running, 100), run_of("b", run_state::paused, 200)}, {}};
  ASSERT_TRUE(match_earlier(earlier, two).goes_on[1]);
  EXPECT_EQ(match_earlier(earlier, two).goes_on[1]->state, run_state::paused);
}

TEST(asks_same_of_other_files, SeesOneCommandBeforeAndAfterAChange) {
  const auto began = run_of("a", run_state::running, 100);
  wished_run now{spec_of("a"), false};
  EXPECT_FALSE(asks_same_of_other_files(began, now)) << "nothing has changed";
  now.spec.fingerprint = "asks a of other rows";
  now.spec.tasks[0].dataset_hash = "r2";
  now.spec.tasks[0].dataset_rows = 401;
  EXPECT_TRUE(asks_same_of_other_files(began, now));
  const auto change = describe_change(began, now);
  EXPECT_EQ(change.what, "the dataset of task 'sums' has 401 rows now and had 400 then");
  EXPECT_EQ(change.path, "/data/sums.jsonl");

  auto other = now;
  other.spec.limit = 5;
  EXPECT_FALSE(asks_same_of_other_files(began, other)) << "another limit";
  other = now;
  other.seed_given = true;
  other.spec.random_seed = 7;
  EXPECT_FALSE(asks_same_of_other_files(began, other)) << "another seed";
  other = now;
  other.spec.prompt_types = {"polite"};
  EXPECT_FALSE(asks_same_of_other_files(began, other)) << "another prompt";
}

TEST(describe_change, NamesRowsExamplesAndTasks) {
  auto began = run_of("a", run_state::running, 100);
  wished_run now{spec_of("a"), false};
  now.spec.tasks[0].definition_hash = "d2";
  EXPECT_EQ(describe_change(began, now).what, "task 'sums' reads differently now");
  EXPECT_EQ(describe_change(began, now).path, "");
  began.spec.tasks[0].fewshot = pinned_file{"/data/few.jsonl", "f1", 3};
  now.spec.tasks[0].fewshot = pinned_file{"/data/few.jsonl", "f2", 3};
  EXPECT_EQ(describe_change(began, now).what,
            "the few-shot dataset of task 'sums' has other content now than it had then");
  EXPECT_EQ(describe_change(began, now).path, "/data/few.jsonl");
}

} // namespace
} // namespace assay::cli
