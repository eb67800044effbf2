#include "binary_fixture.hpp"

#include <csignal>

namespace assay::cli::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using words = std::vector<std::string>;

/// Batches of the sums, which have the prompt types plain and polite.
class batches : public binary {
protected:
  static words batch(const words& more) {
    words out{"batch", "--include-path", "sums", "-t", "sums", "--output", "json"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  json run_batch(const words& more) const {
    const auto done = assay(batch(more));
    EXPECT_EQ(done.code, 0) << done.err;
    return json::parse(done.out, nullptr, false);
  }

  json statistics() const { return json::parse(assay({"database", "stats", "--json"}).out, nullptr, false); }

  std::string log_text() const {
    std::string out;
    for (const auto& file : fs::directory_iterator(folder + "/logs")) {
      std::ifstream in(file.path());
      out += file.path().filename().string() + "\n" + std::string(std::istreambuf_iterator<char>(in), {});
    }
    return out;
  }
};

TEST_F(batches, QuickAsksTwoSamplesInOneWay) {
  write_task(20);
  start_mock();
  const auto shown = run_batch({"quick", "-m", "sim-p100"});
  EXPECT_EQ(shown["preset"], "quick");
  EXPECT_EQ(shown["batch"]["total_tests"], 2);
  EXPECT_EQ(shown["batch"]["total_success"], 2);
  EXPECT_EQ(shown["evaluations"].size(), 1U);
  const auto log = log_text();
  EXPECT_NE(log.find("batch_test_"), std::string::npos) << log;
  EXPECT_NE(log.find("completed eval_"), std::string::npos) << log;
  EXPECT_NE(log.find("batch ended tests=2"), std::string::npos) << log;
}

TEST_F(batches, StandardAsksEveryPromptTypeInAnEvaluationOfItsOwn) {
  write_task(20);
  start_mock();
  environment["NUM_INSTANCES"] = "3";
  const auto shown = run_batch({"-m", "sim-p100", "--prompt-types", "all", "--prompt-parallel"});
  EXPECT_EQ(shown["preset"], "standard");
  EXPECT_EQ(shown["evaluations"].size(), 2U);
  EXPECT_EQ(shown["batch"]["total_tests"], 6);
  EXPECT_EQ(shown["strategies"][0]["prompt_parallel"], true);
  const auto one =
      run_batch({"run_batch_test.sh", "-m", "sim-p100", "-p", "polite", "-n", "4", "-d", "medium"});
  EXPECT_EQ(one["batch"]["total_tests"], 4) << "the flag goes before the variable";
  EXPECT_EQ(one["database"]["total_tests"], 10);
}

TEST_F(batches, SerialHasOneEvaluationAndOneCallAtATime) {
  write_task(20);
  start_mock({"--concurrency", "1"});
  const auto shown = run_batch({"-m", "sim-p100,sim-p0", "-n", "5", "--serial", "--strict"});
  EXPECT_EQ(shown["evaluations"].size(), 2U) << "one for each model, with both prompt types";
  EXPECT_EQ(shown["batch"]["total_tests"], 20);
  EXPECT_EQ(shown["strategies"][0]["prompt_parallel"], false);
}

TEST_F(batches, ParallelTestsSeveralModelsAtOnceAndOneThatFailsStopsNobody) {
  write_task(10);
  start_mock({"--fault", "status:model=sim-p50,status=400,every=1"});
  const auto done =
      assay(batch({"run_parallel_test", "-m", "sim-p100,sim-p50,sim-p0", "-n", "2", "--no-log"}));
  EXPECT_NE(done.code, 0) << "one has failed";
  const auto shown = json::parse(done.out, nullptr, false);
  EXPECT_EQ(shown["preset"], "parallel");
  ASSERT_EQ(shown["evaluations"].size(), 6U);
  size_t completed = 0;
  for (const auto& one : shown["evaluations"])
    completed += one["state"] == "completed";
  EXPECT_EQ(completed, 4U);
  EXPECT_FALSE(fs::exists(folder + "/logs"));
}

TEST_F(batches, FullTakesAllModelsAndADryRunSendsNothing) {
  write_task(10);
  start_mock({"--record", "calls.jsonl"});
  const auto shown = run_batch({"test_all", "--dry-run"});
  EXPECT_EQ(shown["dry_run"], true);
  EXPECT_GE(shown["evaluations"].size(), 4U) << "at least two simulated models, each in two ways";
  EXPECT_GE(shown["calls"].get<int>(), 40);
  EXPECT_FALSE(fs::exists(folder + "/logs"));
  std::ifstream record(folder + "/calls.jsonl");
  for (std::string line; std::getline(record, line);)
    EXPECT_NE(json::parse(line, nullptr, false).value("event", ""), "received") << line;
}

TEST_F(batches, TheDatabaseGrowsIsQueriedExportedAndImported) {
  write_task(10);
  start_mock();
  run_batch({"-m", "sim-p100,sim-p0", "-n", "5"});
  ASSERT_EQ(statistics()["summary"]["total_tests"], 20);
  run_batch({"-m", "sim-p100", "-n", "5", "-p", "plain"});
  const auto shown = statistics();
  EXPECT_EQ(shown["summary"]["total_tests"], 25);
  EXPECT_EQ(shown["summary"]["runs"], 5);
  EXPECT_EQ(shown["by_model"]["sim-p100"]["full_success"], 15);
  EXPECT_EQ(shown["by_model"]["sim-p0"]["failure"], 10);
  EXPECT_EQ(shown["by_difficulty"]["intermediate"]["total"], 25);

  const auto rows =
      json::parse(assay({"database", "query", "--by", "model,prompt_type", "-d", "medium", "--json"}).out);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[2]["total"], 10) << rows.dump();

  ASSERT_EQ(assay({"batch", "export"}).code, 0);
  std::ifstream file(folder + "/pilot_bench_cumulative_results/master_database.json");
  const auto exported = json::parse(file, nullptr, false);
  EXPECT_EQ(exported["summary"]["total_tests"], 25);
  EXPECT_EQ(exported["models"]["sim-p0"]["overall_stats"]["total"], 10);

  const auto twice = assay({"database", "import", "pilot_bench_cumulative_results/master_database.json"});
  EXPECT_NE(twice.code, 0) << "its runs are counted already";
  EXPECT_EQ(statistics()["summary"]["total_tests"], 25);
  ASSERT_EQ(assay({"database", "import", "pilot_bench_cumulative_results/master_database.json", "--data-dir",
                   "other"})
                .code,
            4)
      << "there is no data folder";
  std::ofstream(folder + "/theirs.json")
      << R"({"models": {"old": {"by_prompt_type": {"cot": {"by_tool_success_rate": {"0.8": {"by_difficulty":
           {"hard": {"by_task_type": {"simple_task": {"total": 8, "success": 4, "partial_success": 1}}}}}}}}}}})";
  for (int turn = 0; turn < 2; ++turn)
    ASSERT_EQ(assay({"database", "import", "theirs.json"}).code, 0);
  EXPECT_EQ(statistics()["summary"]["total_tests"], 33) << "the same name replaces it";
  ASSERT_EQ(assay({"database", "forget", "theirs"}).code, 0);
  EXPECT_EQ(statistics()["summary"]["total_tests"], 25);
}

TEST_F(batches, NothingIsCountedTwiceAfterAKillAndARetry) {
  write_task(40);
  start_mock({"--record", "calls.jsonl", "--latency", "fixed:20ms"});
  words all{ASSAY_BINARY};
  const auto asked = batch({"-m", "sim-p100", "-n", "40", "--workers", "2", "--seed", "7"});
  all.insert(all.end(), asked.begin(), asked.end());
  {
    process running(all, folder, environment);
    ASSERT_FALSE(wait_for_file(folder + "/calls.jsonl", *mock).empty());
    running.signal(SIGKILL);
    running.wait();
  }
  const auto done = assay(asked);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("going on with"), std::string::npos) << done.err;
  EXPECT_EQ(statistics()["summary"]["total_tests"], 80);
  ASSERT_EQ(assay({"database", "rebuild"}).code, 0);
  EXPECT_EQ(statistics()["summary"]["total_tests"], 80);
}

TEST_F(batches, AServerDoesTheSameAndItsDatabaseTakesImportsMeanwhile) {
  write_task(10);
  start_mock();
  environment["ASSAY_ADMIN_PASSWORD"] = "admin123";
  environment["ASSAY_TASKS_DIRS"] = "[sums]";
  process server({ASSAY_BINARY, "serve", "--port", "0", "--port-file", "server.port"}, folder, environment);
  auto port = wait_for_file(folder + "/server.port", server);
  ASSERT_FALSE(port.empty()) << server.wait().err;
  port.pop_back();
  const auto url = "http://127.0.0.1:" + port;
  const auto done =
      assay({"batch", "-m", "sim-p100", "-t", "sums", "-n", "3", "--url", url, "--output", "json"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out, nullptr, false)["evaluations"].size(), 2U) << done.out;

  std::ofstream(folder + "/theirs.json")
      << R"({"models": {"old": {"by_prompt_type": {"cot": {"by_tool_success_rate": {"0.8": {"by_difficulty":
           {"hard": {"by_task_type": {"simple_task": {"total": 8, "success": 4}}}}}}}}}}})";
  EXPECT_EQ(assay({"database", "import", "theirs.json"}).code, 0);
  const auto shown = assay({"database", "stats", "--url", url, "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_EQ(json::parse(shown.out, nullptr, false)["summary"]["total_tests"], 14) << shown.out;
  EXPECT_EQ(assay({"batch", "-m", "sim-p100", "-t", "sums", "--url", url, "--workers", "2"}).code, 2);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait().code, 0);
}

TEST_F(batches, WhatMakesNoSenseIsRefusedBeforeAnythingStarts) {
  write_task(3);
  const std::vector<std::pair<words, std::string>> wrong{
      {{"fast", "-m", "sim-p100"}, "there is no preset 'fast'"},
      {{"standard"}, "no model is named"},
      {{"-m", "sim-p100", "-d", "very_hard"}, "is no difficulty"},
      {{"-m", "sim-p100", "--serial", "--workers", "3"}, "contradicts --workers"},
      {{"-m", "sim-p100", "--serial", "--prompt-parallel"}, "contradicts --prompt-parallel"},
      {{"-m", "sim-p100", "-n", "0"}, "-n"},
  };
  for (const auto& [flags, reason] : wrong) {
    const auto done = assay(batch(flags));
    EXPECT_EQ(done.code, 2) << reason << done.err;
    EXPECT_NE(done.err.find(reason), std::string::npos) << done.err;
  }
  EXPECT_EQ(assay(batch({"-m", "sim-p100", "-p", "plan"})).code, 4);
  EXPECT_EQ(assay({"batch", "-m", "sim-p100", "-t", "nothing_like_it"}).code, 4);
  environment["NUM_INSTANCES"] = "many";
  EXPECT_EQ(assay(batch({"-m", "sim-p100"})).code, 2);
  EXPECT_FALSE(fs::exists(folder + "/logs"));
}

} // namespace
} // namespace assay::cli::test
