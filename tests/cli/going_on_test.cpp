#include "binary_fixture.hpp"

#include <csignal>

namespace assay::cli::test {
namespace {

using nlohmann::json;

/// Commands that were interrupted, and what is done about them.
class going_on : public binary {
protected:
  /// `assay run` of the sums with few calls at a time.
  static std::vector<std::string> run_of(const std::string& models) {
    return {"run",
            "-m",
            models,
            "-t",
            "sums/sums.yaml",
            "--set",
            "farm.in_flight_cap=2",
            "--set",
            "farm.in_flight_start=2"};
  }

  std::unique_ptr<process> begin(const std::vector<std::string>& words) const {
    std::vector<std::string> all{ASSAY_BINARY};
    all.insert(all.end(), words.begin(), words.end());
    return std::make_unique<process>(all, folder, environment);
  }

  /// Begins a run and presses Ctrl-C when calls have gone out.
  void interrupt(const std::vector<std::string>& words) const {
    const auto running = begin(words);
    ASSERT_FALSE(wait_for_file(folder + "/calls.jsonl", *mock).empty());
    running->signal(SIGINT);
    ASSERT_EQ(running->wait().code, 130);
  }

  /// How many calls the mock provider was sent for a model.
  size_t calls_of(const std::string& model) const {
    std::ifstream record(folder + "/calls.jsonl");
    size_t count = 0;
    for (std::string line; std::getline(record, line);) {
      const auto call = json::parse(line, nullptr, false);
      count += call.is_object() && call.value("event", "") == "received" && call.value("model", "") == model;
    }
    return count;
  }

  json runs_listed(const char* command = "runs") const {
    return json::parse(assay({command, "--json"}).out)["evaluations"];
  }

  void add_a_row() const {
    std::ofstream(folder + "/sums/sums.jsonl", std::ios::app) << R"({"a": 1000, "b": 1001})"
                                                              << "\n";
  }
};

TEST_F(going_on, AModelThatHadCompletedIsTakenAsItIs) {
  write_task(20);
  start_mock({"--record", "calls.jsonl", "--fault", "slow_drip:model=sim-p0,every=1,ms=1"});
  const auto words = run_of("sim-p100,sim-p0");
  {
    const auto running = begin(words);
    ASSERT_TRUE(wait_for_text(running->err_file(), "completed", *running)) << "the quick one";
    running->signal(SIGINT);
    const auto ended = running->wait();
    ASSERT_EQ(ended.code, 130) << ended.err;
  }
  ASSERT_EQ(calls_of("sim-p100"), 20U);
  auto again = words;
  again.emplace_back("--json");
  const auto done = assay(again);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(calls_of("sim-p100"), 20U) << "nothing is paid for twice";
  EXPECT_NE(done.err.find("sim-p100 (simulated): eval_"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("taken as it is; --fresh asks again"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("going on with"), std::string::npos) << done.err;
  const auto results = json::parse(done.out)["evaluations"];
  ASSERT_EQ(results.size(), 2U);
  for (const auto& one : results)
    EXPECT_EQ(one["summary_metrics"]["total_samples"], 20);
  EXPECT_EQ(runs_listed().size(), 2U);
}

TEST_F(going_on, ACommandThatHadCompletedStartsAnew) {
  write_task(3);
  start_mock({"--record", "calls.jsonl"});
  for (const size_t times : {1U, 2U}) {
    ASSERT_EQ(assay(run_of("sim-p100")).code, 0);
    EXPECT_EQ(calls_of("sim-p100"), 3 * times);
  }
  EXPECT_EQ(runs_listed().size(), 2U);
}

TEST_F(going_on, AnInterruptedRunIsCalledThat) {
  write_task(400);
  start_mock({"--latency", "fixed:50ms", "--record", "calls.jsonl"});
  interrupt(run_of("sim-p100"));
  for (const char* command : {"runs", "results"}) {
    const auto list = runs_listed(command);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list[0]["interrupted"], true) << "the state keeps its documented word: " << list[0]["state"];
    const auto table = assay({command});
    EXPECT_NE(table.out.find("interrupted"), std::string::npos) << table.out;
    EXPECT_NE(table.out.find("sim-p100 (simulated)"), std::string::npos) << table.out;
    EXPECT_NE(table.err.find("assay resume"), std::string::npos) << table.err;
  }
  const auto shown = assay({"results", "last"});
  EXPECT_NE(shown.out.find("interrupted"), std::string::npos) << shown.out;
  EXPECT_EQ(json::parse(assay({"results", "last", "--json"}).out)["interrupted"], true);
  const auto done = assay({"resume", "last"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("sim-p100 (simulated)"), std::string::npos) << done.err;
  EXPECT_EQ(runs_listed()[0]["interrupted"], false);
  EXPECT_EQ(assay({"results"}).out.find("interrupted"), std::string::npos);
}

TEST_F(going_on, AChangedDatasetIsNamedBeforeAnythingIsPaidFor) {
  write_task(200);
  start_mock({"--latency", "fixed:50ms", "--record", "calls.jsonl"});
  interrupt(run_of("sim-p100"));
  ASSERT_EQ(assay({"store", "backup", "copy"}).code, 0);
  const auto before = calls_of("sim-p100");
  add_a_row();
  const auto refused = assay(run_of("sim-p100"));
  EXPECT_EQ(refused.code, 3) << refused.out << refused.err;
  for (const char* part : {"sums.jsonl", "201 rows now", "200 then", "eval_", "--fresh", "restore"})
    EXPECT_NE(refused.err.find(part), std::string::npos) << part << "\n" << refused.err;
  const auto resumed = assay({"resume", "last"});
  EXPECT_EQ(resumed.code, 3) << resumed.err;
  EXPECT_NE(resumed.err.find("sums.jsonl"), std::string::npos) << resumed.err;
  EXPECT_EQ(calls_of("sim-p100"), before);
  EXPECT_EQ(runs_listed()[0]["interrupted"], true) << "refused, not failed: " << runs_listed().dump();

  auto fresh = run_of("sim-p100");
  fresh.emplace_back("--fresh");
  ASSERT_EQ(assay(fresh).code, 0);
  const auto list = runs_listed();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["samples"]["done"], 201);
  EXPECT_EQ(list[1]["state"], "cancelled");

  write_task(200);
  const auto restored = assay({"resume", "last", "--data-dir", "copy"});
  EXPECT_EQ(restored.code, 0) << restored.err;
}

TEST_F(going_on, CommandsForAServerSayThatThereIsNone) {
  environment["PORT"] = "1"; // Where nobody listens.
  const auto says = [&](const std::vector<std::string>& words, const char* part) {
    const auto done = assay(words);
    EXPECT_EQ(done.code, 5) << words[0] << done.err;
    EXPECT_NE(done.err.find(part), std::string::npos) << words[0] << ": " << done.err;
    EXPECT_EQ(done.err.find("password"), std::string::npos) << words[0] << ": " << done.err;
  };
  says({"watch", "last"}, "there is no server");
  says({"monitor", "--once"}, "there is no server");

  write_task(400);
  start_mock({"--latency", "fixed:50ms", "--record", "calls.jsonl"});
  const auto running = begin(run_of("sim-p100"));
  ASSERT_FALSE(wait_for_file(folder + "/calls.jsonl", *mock).empty());
  for (const char* command : {"watch", "pause", "cancel", "resume"})
    says({command, "last"}, "no server has this data folder");
  const auto list = runs_listed();
  ASSERT_EQ(list.size(), 1U) << "reading works beside it";
  EXPECT_EQ(list[0]["interrupted"], false) << "it is under way";
  running->signal(SIGINT);
  EXPECT_EQ(running->wait().code, 130);
}

TEST_F(going_on, CompletionKnowsTasksModelsAndRuns) {
  write_task(1);
  start_mock();
  ASSERT_EQ(assay({"run", "-m", "sim-p100", "-t", "sums/sums.yaml"}).code, 0);
  const auto id = runs_listed()[0]["evaluation_id"].get<std::string>();
  environment["ASSAY_TASKS_DIRS"] = "[sums]";
  const auto script = assay({"completion", "bash"});
  ASSERT_EQ(script.code, 0);
  std::ofstream(folder + "/completion.bash")
      << script.out
      << "try() {\n  COMP_WORDS=(" ASSAY_BINARY " \"$@\")\n  COMP_CWORD=$#\n  _assay\n"
         "  echo \"${COMPREPLY[@]}\"\n}\n"
         "try run -t sum\ntry run --tasks date_reasoning,sum\ntry run -m sim-p100,sim-st\n"
         "try results eval_\ntry retry la\ntry tasks show sum\ntry results list -m sim-st\n"
         "try results --sta\ntry run --evalu\n";
  const auto shell = process({"/bin/bash", "completion.bash"}, folder, environment).wait();
  EXPECT_EQ(shell.err, "");
  EXPECT_EQ(shell.out, "sums\ndate_reasoning,sums\nsim-p100,sim-strong\n" + id
                           + "\nlast\nsums\nsim-strong\n--state\n--evaluation\n");
}

} // namespace
} // namespace assay::cli::test
