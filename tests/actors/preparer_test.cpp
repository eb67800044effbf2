#include "actors/runs/preparer.hpp"
#include "core/tasks/task_catalogue.hpp"
#include "tests/storage/support.hpp"
#include "tests/support/actor_fixture.hpp"

#include <nlohmann/json.hpp>

#include <deque>
#include <filesystem>
#include <fstream>

namespace assay::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
namespace fs = std::filesystem;

/// Stands for the Python host: keeps jobs until the test answers them.
struct keeper_of_jobs_state {
  std::vector<python_job> jobs;
  std::vector<uint64_t> withdrawn;
  python_sink_actor sink;
};

python_host_actor::behavior_type
keeper_of_jobs(python_host_actor::stateful_pointer<keeper_of_jobs_state> self) {
  return {
      [self](const run_python& wish) {
        self->state.sink = wish.sink;
        self->state.jobs.insert(self->state.jobs.end(), wish.jobs.begin(), wish.jobs.end());
      },
      [self](const withdraw_python_jobs& wish) {
        self->state.withdrawn.insert(self->state.withdrawn.end(), wish.ids.begin(), wish.ids.end());
      },
      [](const read_host_state&) { return host_state{}; },
      [](const read_gauges&) { return gauges{}; },
      [](const io_completed&) {},
      [](const tick&) {},
  };
}

/// Stands for the run supervisor: remembers what it is told.
struct supervisor_stand_in_state {
  std::vector<preparation_ended> ends;
};

run_supervisor_actor::behavior_type
supervisor_stand_in(run_supervisor_actor::stateful_pointer<supervisor_stand_in_state> self) {
  return {
      [](const submit_run&) { return run_submitted{}; },
      [](const command_run&) { return run_record{}; },
      [](const find_run&) { return run_record{}; },
      [](const count_runs&) { return run_counts{}; },
      [](const read_gauges&) { return gauges{}; },
      [](const drain&) {},
      [](const open_runs_found&) {},
      [](const run_reported&) {},
      [](const run_pinned&) {},
      [](const expired_runs_found&) {},
      [self](const preparation_ended& news) { self->state.ends.push_back(news); },
      [](const tick&) {},
  };
}

/// Runs what it is given when the test says so.
class patient_worker final : public executor {
public:
  bool submit(std::function<void()> job) override {
    if (full)
      return false;
    jobs_.push_back(std::move(job));
    return true;
  }
  bool work() {
    if (jobs_.empty())
      return false;
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
    return true;
  }

  bool full = false;

private:
  std::deque<std::function<void()>> jobs_;
};

class preparer_test : public actor_test {
protected:
  static constexpr uint64_t rows = 2'300; ///< Three pages.

  storage::testing::temp_folder folder;
  std::shared_ptr<patient_worker> workers = std::make_shared<patient_worker>();
  python_host_actor host = spawn(keeper_of_jobs);
  run_supervisor_actor supervisor = spawn(supervisor_stand_in);
  preparer_config config;
  std::optional<tasks::preparation> plan;

  preparer_test() {
    std::ofstream data(folder.path() / "rows.jsonl");
    for (uint64_t i = 0; i < rows; ++i)
      data << R"({"question":"q)" << i << R"(","answer":"a"})"
           << "\n";
    data.close();
    std::ofstream(folder.path() / "task.yaml")
        << "task: numbers\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\n"
           "test_split: test\ndoc_to_text: '{{question}}'\ndoc_to_target: '{{answer}}'\n";
    auto task = std::make_shared<const tasks::task_definition>(
        tasks::load_task_file(folder.path() / "task.yaml").value());
    tasks::preparation_options options;
    options.folder = prepared().string();
    plan = tasks::plan_preparation(std::move(task), options).value();
    config.ticket = 7;
    config.workers = workers;
    config.python = host;
    config.find = [this](const run_request&) -> result<std::vector<tasks::preparation>> {
      return std::vector{*plan};
    };
  }

  fs::path prepared() const { return folder.path() / "prepared"; }

  preparer_actor start() {
    auto made = spawn(preparer, config, supervisor);
    settle();
    return made;
  }

  /// Until neither actors nor workers have anything to do.
  void settle() {
    do
      run();
    while (workers->work());
  }

  keeper_of_jobs_state& python() { return state_of<keeper_of_jobs_state>(host); }
  std::vector<preparation_ended>& ends() { return state_of<supervisor_stand_in_state>(supervisor).ends; }

  /// Answers the last job as the Python host would.
  void answer() {
    const auto asked = json::parse(python().jobs.back().arguments.view());
    json samples = json::array();
    for (const auto& doc : asked["docs"])
      samples.push_back(
          {{"doc", doc}, {"target", "a"}, {"messages", {{{"role", "user"}, {"content", doc["question"]}}}}});
    reply({python().jobs.back().id, shared_text(json{{"samples", samples}}.dump()), {}});
  }
  void reply(python_result result) {
    python_results news;
    news.results.push_back(std::move(result));
    caf::anon_send(python().sink, std::move(news));
    settle();
  }

  /// Files that a preparation has begun, or left behind.
  size_t files() const {
    std::error_code none;
    size_t count = 0;
    for (const auto& file : fs::directory_iterator(prepared(), none))
      count += file.is_regular_file() ? 1 : 0;
    return count;
  }
};

TEST_F(preparer_test, PreparesPageByPageOneJobAtATime) {
  start();
  for (size_t page = 1; page <= 3; ++page) {
    ASSERT_EQ(python().jobs.size(), page);
    EXPECT_TRUE(ends().empty());
    EXPECT_FALSE(plan->is_done());
    EXPECT_EQ(python().jobs.back().operation, "prepare_lm_eval");
    EXPECT_EQ(json::parse(python().jobs.back().arguments.view())["docs"].size(), page < 3 ? 1'000U : 300U);
    answer();
  }
  ASSERT_EQ(ends().size(), 1U);
  EXPECT_EQ(ends().front().ticket, 7U);
  EXPECT_FALSE(ends().front().error);
  EXPECT_TRUE(plan->is_done());
  EXPECT_EQ(files(), 2U) << "nothing is left over";
  EXPECT_TRUE(python().withdrawn.empty());
}

TEST_F(preparer_test, AnAnswerToAnEarlierJobIsNobodys) {
  start();
  const auto first = python().jobs.back().id;
  answer();
  ASSERT_EQ(python().jobs.size(), 2U);
  EXPECT_NE(python().jobs.back().id, first);
  reply({first, shared_text("{}"), {}});
  EXPECT_TRUE(ends().empty());
  EXPECT_EQ(python().jobs.size(), 2U);
}

TEST_F(preparer_test, AHostThatFallsIsSaidAtOnceAndLeavesNoFile) {
  start();
  answer();
  EXPECT_GT(files(), 0U);
  kill(host);
  settle();
  ASSERT_EQ(ends().size(), 1U);
  EXPECT_EQ(ends().front().error.value().code, errc::actor_lost);
  EXPECT_EQ(files(), 0U);
}

TEST_F(preparer_test, WhatPythonRefusesIsTheReason) {
  start();
  reply({python().jobs.back().id, {}, fault{errc::scorer_failed, "NameError: x", {}, {}}});
  ASSERT_EQ(ends().size(), 1U);
  EXPECT_EQ(ends().front().error.value().message, "NameError: x");
  EXPECT_EQ(files(), 0U);
}

TEST_F(preparer_test, AnAnswerOfTheWrongFormIsRefused) {
  start();
  reply({python().jobs.back().id, shared_text(R"({"samples":[]})"), {}});
  ASSERT_EQ(ends().size(), 1U);
  EXPECT_EQ(ends().front().error.value().code, errc::malformed_answer);
  EXPECT_EQ(files(), 0U);
}

TEST_F(preparer_test, TheDeadlineHoldsForEverythingAndTakesTheJobBack) {
  config.deadline = 60s;
  start();
  advance(30s, 1s);
  answer();
  EXPECT_TRUE(ends().empty());
  advance(31s, 1s);
  ASSERT_EQ(ends().size(), 1U);
  EXPECT_EQ(ends().front().error.value().code, errc::deadline_exceeded);
  EXPECT_EQ(python().withdrawn, std::vector{python().jobs.back().id});
  EXPECT_EQ(files(), 0U);
}

TEST_F(preparer_test, OneThatIsEndedFromOutsideLeavesNothing) {
  const auto made = start();
  answer();
  EXPECT_GT(files(), 0U);
  kill(made, caf::exit_reason::user_shutdown);
  settle();
  EXPECT_TRUE(ends().empty());
  EXPECT_EQ(files(), 0U);
  // What the host still says finds nobody.
  reply({python().jobs.back().id, shared_text("{}"), {}});
  EXPECT_EQ(files(), 0U);
  EXPECT_FALSE(plan->is_done());
}

TEST_F(preparer_test, AWorkerThatAnswersALateStepDisturbsNobody) {
  config.deadline = 60s;
  spawn(preparer, config, supervisor);
  run();
  advance(61s, 1s);
  ASSERT_EQ(ends().size(), 1U) << "no worker was free in time";
  settle();
  EXPECT_EQ(ends().size(), 1U);
  EXPECT_TRUE(python().jobs.empty());
  EXPECT_EQ(files(), 0U);
}

TEST_F(preparer_test, AFullLineOfWorkersIsBusy) {
  workers->full = true;
  start();
  ASSERT_EQ(ends().size(), 1U);
  EXPECT_EQ(ends().front().error.value().code, errc::busy);
}

TEST_F(preparer_test, AFarmWithoutPythonSaysSo) {
  config.python = python_host_actor{};
  start();
  ASSERT_EQ(ends().size(), 1U);
  EXPECT_EQ(ends().front().error.value().code, errc::unsupported);
  EXPECT_EQ(files(), 0U);
}

TEST_F(preparer_test, TestFilesOfPromptfooNeedNobody) {
  std::ofstream(folder.path() / "capitals.yaml")
      << "prompts: ['{{q}}']\nproviders: openai:x\ntests: [{vars: {q: 1}}, {vars: {q: 2}}]\n";
  auto task = std::make_shared<const tasks::task_definition>(
      tasks::load_task_file(folder.path() / "capitals.yaml").value());
  plan = tasks::plan_preparation(std::move(task), plan->options).value();
  config.python = python_host_actor{};
  start();
  ASSERT_EQ(ends().size(), 1U);
  EXPECT_FALSE(ends().front().error) << to_string(*ends().front().error);
  EXPECT_TRUE(plan->is_done());
}

} // namespace
} // namespace assay::test
