#include "binary_fixture.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace assay::cli::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::vector<std::vector<std::string>>& all_commands() {
  static const std::vector<std::vector<std::string>> commands{{"run"},
                                                              {"serve"},
                                                              {"mock-provider"},
                                                              {"tasks"},
                                                              {"tasks", "list"},
                                                              {"tasks", "show"},
                                                              {"tasks", "validate"},
                                                              {"models"},
                                                              {"models", "list"},
                                                              {"models", "show"},
                                                              {"models", "select"},
                                                              {"results"},
                                                              {"results", "list"},
                                                              {"results", "show"},
                                                              {"compare"},
                                                              {"gate"},
                                                              {"show"},
                                                              {"runs"},
                                                              {"watch"},
                                                              {"monitor"},
                                                              {"batch"},
                                                              {"database"},
                                                              {"database", "stats"},
                                                              {"database", "query"},
                                                              {"database", "export"},
                                                              {"database", "import"},
                                                              {"database", "rebuild"},
                                                              {"database", "forget"},
                                                              {"pause"},
                                                              {"resume"},
                                                              {"cancel"},
                                                              {"retry"},
                                                              {"store"},
                                                              {"store", "stat"},
                                                              {"store", "backup"},
                                                              {"store", "compact"},
                                                              {"store", "prune"},
                                                              {"users"},
                                                              {"users", "list"},
                                                              {"users", "add"},
                                                              {"users", "role"},
                                                              {"users", "passwd"},
                                                              {"users", "disable"},
                                                              {"users", "delete"},
                                                              {"users", "keys"},
                                                              {"users", "keys", "list"},
                                                              {"users", "keys", "add"},
                                                              {"users", "keys", "remove"},
                                                              {"keys"},
                                                              {"keys", "list"},
                                                              {"keys", "add"},
                                                              {"keys", "remove"},
                                                              {"keys", "import-datapresso"},
                                                              {"keys", "test"},
                                                              {"doctor"},
                                                              {"completion"},
                                                              {"version"}};
  return commands;
}

TEST_F(binary, HasHelpWithExamplesForEveryCommand) {
  for (auto words : all_commands()) {
    std::string name;
    for (const auto& word : words)
      name += word + " ";
    words.emplace_back("--help");
    const auto done = assay(words);
    EXPECT_EQ(done.code, 0) << name;
    EXPECT_NE(done.out.find("Examples:"), std::string::npos) << name << done.out;
    EXPECT_EQ(done.err, "") << name;
  }
}

TEST_F(binary, DocumentsEveryExitCode) {
  const auto done = assay({"--help"});
  EXPECT_EQ(done.code, 0);
  EXPECT_NE(done.out.find("Exit codes:"), std::string::npos);
  for (const auto& words : all_commands())
    if (words.size() == 1) {
      EXPECT_NE(done.out.find("\n  " + words[0] + " "), std::string::npos) << words[0];
    }
}

TEST_F(binary, EndsWithTwoForWrongUsage) {
  const std::vector<std::vector<std::string>> wrong{{},
                                                    {"runn"},
                                                    {"--nonsense"},
                                                    {"run", "--nonsense"},
                                                    {"run"},
                                                    {"run", "-m", "sim-strong"},
                                                    {"run", "-m", "sim-strong", "-t", "x", "--limit", "half"},
                                                    {"run", "-m", "sim-strong", "-t", "x", "--output", "xml"},
                                                    {"show"},
                                                    {"completion", "powershell"},
                                                    {"runs", "--state", "tired"},
                                                    {"runs", "--limit", "0"},
                                                    {"retry"},
                                                    {"store", "prune"},
                                                    {"store", "prune", "--older-than", "soon"},
                                                    {"mock-provider", "--latency", "slow"},
                                                    {"mock-provider", "--model", "x"},
                                                    {"models", "--set", "nonsense"}};
  for (const auto& words : wrong) {
    std::string line;
    for (const auto& word : words)
      line += word + " ";
    EXPECT_EQ(assay(words).code, 2) << line;
  }
}

TEST_F(binary, NamesTheNearestCommandAndOption) {
  EXPECT_NE(assay({"resluts"}).err.find("did you mean 'results'?"), std::string::npos);
  EXPECT_NE(assay({"run", "--modle", "x"}).err.find("did you mean '--model'?"), std::string::npos);
}

TEST_F(binary, EndsWithThreeForAWrongConfiguration) {
  std::ofstream(folder + "/bad.yaml") << "server:\n  prot: 9000\n";
  const auto done = assay({"models", "--config", "bad.yaml"});
  EXPECT_EQ(done.code, 3);
  EXPECT_NE(done.err.find("bad.yaml:2"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("port"), std::string::npos) << done.err;
  EXPECT_EQ(assay({"models", "--config", "missing.yaml"}).code, 3);
}

TEST_F(binary, EndsWithFourForWhatDoesNotExist) {
  EXPECT_EQ(assay({"tasks", "show", "no_such_task"}).code, 4);
  EXPECT_EQ(assay({"models", "show", "no-such-model"}).code, 4);
  EXPECT_EQ(assay({"results", "last"}).code, 4);
  EXPECT_EQ(assay({"store"}).code, 4);
  EXPECT_FALSE(fs::exists(folder + "/data")) << "a command that only reads has made a data folder";
  write_task(2);
  EXPECT_EQ(assay({"run", "-m", "no-such-model", "-t", "sums/sums.yaml"}).code, 4);
  EXPECT_EQ(assay({"run", "-m", "sim-strong", "-t", "no_such_task"}).code, 4);
}

TEST_F(binary, TheMockProviderKnowsTheShippedTasksBesidesTheNamedOnes) {
  write_task(1);
  start_mock();
  for (const char* task : {"date_reasoning", "sums/sums.yaml"}) {
    const auto done = assay({"run", "-m", "sim-p100", "-t", task, "--limit", "2", "--json"});
    ASSERT_EQ(done.code, 0) << done.err;
    const auto shown = assay({"results", "last", "--json"}).out;
    EXPECT_DOUBLE_EQ(json::parse(shown)["summary_metrics"]["overall_score"].get<double>(), 1.0) << shown;
  }
  EXPECT_EQ(assay({"mock-provider", "--tasks-dir", "nowhere"}).code, 4);
}

TEST_F(binary, EndsWithFiveWithoutAKeyOrAMockProvider) {
  write_task(2);
  EXPECT_EQ(assay({"run", "-m", "gpt-4o-mini", "-t", "sums/sums.yaml"}).code, 5);
  environment["ASSAY_MOCK_URL"] = "http://127.0.0.1:1/v1";
  const auto done = assay({"run", "-m", "sim-strong", "-t", "sums/sums.yaml"});
  EXPECT_EQ(done.code, 5);
  EXPECT_NE(done.err.find("assay mock-provider"), std::string::npos) << done.err;
}

TEST_F(binary, ValidatesTaskFilesRowByRow) {
  write_task(3);
  EXPECT_EQ(assay({"tasks", "validate", "sums"}).code, 0);
  std::ofstream(folder + "/sums/sums.jsonl", std::ios::app) << R"({"b": 4})"
                                                            << "\n";
  const auto done = assay({"tasks", "validate", "sums/sums.yaml"});
  EXPECT_EQ(done.code, 3);
  EXPECT_NE(done.out.find("row 3"), std::string::npos) << done.out;
}

TEST_F(binary, ShowsThePlanWithoutSendingAnything) {
  write_task(5);
  const auto done = assay({"run", "-m", "sim-strong,sim-weak", "-t", "sums/sums.yaml", "--prompt-types",
                           "plain,polite", "--limit", "4", "--dry-run", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto plan = json::parse(done.out);
  EXPECT_EQ(plan["calls"], 16);
  EXPECT_EQ(plan["evaluations"].size(), 2U);
  EXPECT_FALSE(fs::exists(folder + "/data"));
}

TEST_F(binary, NeverPrintsAKey) {
  write_task(2);
  environment["OPENAI_API_KEY"] = "sk-very-secret-value";
  const auto done =
      assay({"run", "-m", "gpt-4o-mini", "-t", "sums/sums.yaml", "--dry-run", "--show_config", "-vv"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.out.find("gpt-4o-mini"), std::string::npos);
  EXPECT_EQ((done.out + done.err).find("very-secret"), std::string::npos);
  const auto shown = assay({"models", "show", "gpt-4o-mini"});
  EXPECT_EQ((shown.out + shown.err).find("very-secret"), std::string::npos);
}

TEST_F(binary, EvaluatesModelsSideBySideAndShowsTheirResults) {
  write_task(6);
  start_mock();
  const auto done = assay({"run", "-m", "mock/sim-p100", "-m", "mock/sim-p0", "-t", "sums/sums.yaml", "-p",
                           "plain,polite", "-o", "out", "--log_samples", "--output", "json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto result = json::parse(done.out);
  ASSERT_EQ(result["evaluations"].size(), 2U);
  EXPECT_DOUBLE_EQ(result["evaluations"][0]["summary_metrics"]["overall_score"].get<double>(), 1.0);
  EXPECT_DOUBLE_EQ(result["evaluations"][1]["summary_metrics"]["overall_score"].get<double>(), 0.0);
  EXPECT_EQ(result["evaluations"][0]["simulated"], true);

  size_t lines = 0;
  for (const auto& file : fs::recursive_directory_iterator(folder + "/out"))
    if (file.path().extension() == ".jsonl") {
      std::ifstream samples(file.path());
      for (std::string line; std::getline(samples, line); ++lines)
        EXPECT_TRUE(json::parse(line).contains("answer"));
    }
  EXPECT_EQ(lines, 24U);

  const auto list = json::parse(assay({"results", "--json"}).out);
  EXPECT_EQ(list["evaluations"].size(), 2U);
  const auto table = assay({"results", "show", list["evaluations"][0]["evaluation_id"].get<std::string>(),
                            list["evaluations"][1]["evaluation_id"].get<std::string>()});
  EXPECT_EQ(table.code, 0);
  EXPECT_NE(table.out.find("(simulated)"), std::string::npos);
  EXPECT_NE(assay({"show", "last", "--limit", "2"}).out.find("sums:plain:0"), std::string::npos);
  const auto sample = assay({"show", "last", "sums:polite:3"});
  EXPECT_EQ(sample.code, 0) << sample.err;
  EXPECT_NE(sample.out.find("Please say what 3 plus 1 is"), std::string::npos) << sample.out;
  EXPECT_EQ(assay({"show", "last", "sums:polite:99"}).code, 4);
  EXPECT_EQ(assay({"show", "last", "sums:rude:1"}).code, 4);
  EXPECT_EQ(assay({"store", "stat"}).code, 0);
  EXPECT_EQ(assay({"store", "backup", "copy"}).code, 0);
  EXPECT_EQ(assay({"results", "last", "--data-dir", "copy"}).code, 0);
  const auto removed = json::parse(assay({"store", "prune", "--older-than", "0s", "--json"}).out);
  EXPECT_EQ(removed["runs"].size(), 2U);
  EXPECT_EQ(assay({"store", "compact"}).code, 0);
  mock->signal(SIGTERM);
  EXPECT_EQ(mock->wait().code, 0);
}

TEST_F(binary, ComparesRunsAndJudgesThem) {
  write_task(12);
  start_mock();
  const auto done = assay({"run", "-m", "mock/sim-p100", "-m", "mock/sim-p0", "-t", "sums/sums.yaml", "-p",
                           "plain", "--output", "json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto runs = json::parse(done.out)["evaluations"];
  const auto good = runs[0]["evaluation_id"].get<std::string>();
  const auto bad = runs[1]["evaluation_id"].get<std::string>();

  const auto compared = assay({"compare", good, bad, "--json"});
  ASSERT_EQ(compared.code, 0) << compared.err;
  const auto row = json::parse(compared.out)["comparisons"][0];
  EXPECT_EQ(row["pairs"], 12);
  EXPECT_EQ(row["difference"], -1.0);
  EXPECT_EQ(row["only_first_right"], 12);
  EXPECT_NEAR(row["p"].get<double>(), 2.0 / 4096, 1e-12);
  EXPECT_EQ(row["finding"], "worse");
  const auto table = assay({"compare", good, bad});
  EXPECT_NE(table.out.find("A -> B"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("worse"), std::string::npos) << table.out;
  EXPECT_EQ(assay({"compare", good}).code, 2);
  EXPECT_EQ(assay({"compare", good, "eval_1700000000_0000002a"}).code, 4);
  EXPECT_EQ(assay({"compare", good, bad, "--task", "none_such"}).code, 4);

  std::ofstream(folder + "/gate.yaml") << "name: nightly\nrules:\n  - at_least: 0.7\n  - max_error_rate: 0\n";
  std::ofstream(folder + "/against.yaml") << "rules:\n  - {not_worse_than: baseline, margin: 0.3}\n";
  std::ofstream(folder + "/many.yaml") << "rules:\n  - {at_least: 0.7, min_samples: 100}\n";
  std::ofstream(folder + "/broken.yaml") << "rules:\n  - at_laest: 0.7\n";
  const auto passed = assay({"gate", good, "--policy", "gate.yaml", "--junit", "gate.xml"});
  EXPECT_EQ(passed.code, 0) << passed.out << passed.err;
  std::ifstream junit(folder + "/gate.xml");
  const std::string xml((std::istreambuf_iterator<char>(junit)), {});
  EXPECT_NE(xml.find("<testsuites tests=\"3\" failures=\"0\" errors=\"0\">"), std::string::npos) << xml;
  const auto failed = assay({"gate", bad, "--policy", "gate.yaml", "--json"});
  EXPECT_EQ(failed.code, 1);
  EXPECT_EQ(json::parse(failed.out)["verdict"], "fail");
  EXPECT_EQ(assay({"gate", good, "--policy", "many.yaml"}).code, 9);
  EXPECT_EQ(assay({"gate", bad, "--policy", "against.yaml", "--baseline", good}).code, 1);
  EXPECT_EQ(assay({"gate", good, "--policy", "against.yaml", "--baseline", bad}).code, 0);
  EXPECT_EQ(assay({"gate", good, "--policy", "against.yaml"}).code, 2) << "there is no baseline";
  const auto broken = assay({"gate", good, "--policy", "broken.yaml"});
  EXPECT_EQ(broken.code, 3);
  EXPECT_NE(broken.err.find("broken.yaml:2: rules[0].at_laest"), std::string::npos) << broken.err;
  mock->signal(SIGTERM);
  EXPECT_EQ(mock->wait().code, 0);
}

TEST_F(binary, EndsWithOneWhenSamplesFailUnderStrict) {
  write_task(4);
  start_mock({"--fault", "status:status=400,times=1"});
  const auto done = assay({"run", "-m", "mock/sim-p100", "-t", "sums/sums.yaml", "--strict"});
  EXPECT_EQ(done.code, 1) << done.out << done.err;
}

TEST_F(binary, AsksFailedSamplesAgainWithoutAServer) {
  write_task(4);
  start_mock({"--fault", "status:status=400,times=1"});
  ASSERT_EQ(assay({"run", "-m", "sim-p100", "-t", "sums/sums.yaml", "--strict"}).code, 1);
  const auto before = json::parse(assay({"runs", "--json"}).out)["evaluations"];
  ASSERT_EQ(before.size(), 1U);
  EXPECT_EQ(before[0]["samples"]["failed"], 1);
  const auto id = before[0]["evaluation_id"].get<std::string>();
  const auto again = assay({"retry", id, "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  const auto after = json::parse(assay({"runs", "--json"}).out)["evaluations"];
  ASSERT_EQ(after.size(), 1U) << "it is the same run";
  EXPECT_EQ(after[0]["state"], "completed");
  EXPECT_EQ(after[0]["samples"]["failed"], 0);
  EXPECT_EQ(after[0]["samples"]["done"], 4);
  const auto nothing = assay({"retry", "last"});
  EXPECT_EQ(nothing.code, 0) << "nothing failed: nothing to do";
  EXPECT_NE(nothing.err.find("nothing is asked again"), std::string::npos) << nothing.err;
  EXPECT_EQ(assay({"resume", "last"}).code, 2) << "it has ended";
  EXPECT_EQ(assay({"cancel", "last"}).code, 2) << "it has ended";
  EXPECT_EQ(assay({"pause", "last"}).code, 2) << "nothing runs";
  EXPECT_EQ(assay({"retry", "eval_1000000000_00000001"}).code, 4);
}

TEST_F(binary, GoesOnWithOrCancelsAnInterruptedRunByItsId) {
  write_task(400);
  start_mock({"--latency", "fixed:50ms", "--record", "calls.jsonl"});
  {
    process running({ASSAY_BINARY, "run", "-m", "sim-p100", "-t", "sums/sums.yaml", "--set",
                     "farm.in_flight_cap=4", "--set", "farm.in_flight_start=4"},
                    folder, environment);
    ASSERT_FALSE(wait_for_file(folder + "/calls.jsonl", *mock).empty());
    running.signal(SIGINT);
    ASSERT_EQ(running.wait().code, 130);
  }
  EXPECT_EQ(assay({"retry", "last"}).code, 2) << "it has not ended";
  ASSERT_EQ(assay({"store", "backup", "copy"}).code, 0);
  const auto done = assay({"resume", "last", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out)["evaluations"][0]["summary_metrics"]["total_samples"], 400);

  EXPECT_EQ(assay({"cancel", "last", "--data-dir", "copy"}).code, 0);
  EXPECT_EQ(assay({"cancel", "last", "--data-dir", "copy"}).code, 0) << "it is cancelled already";
  const auto list = json::parse(assay({"runs", "--json", "--data-dir", "copy"}).out)["evaluations"];
  EXPECT_EQ(list[0]["state"], "cancelled");
  EXPECT_EQ(assay({"runs", "--state", "completed", "--data-dir", "copy"}).err, "no run fits\n");
}

TEST_F(binary, GoesOnAfterCtrlCWithTheSameCommand) {
  write_task(400);
  start_mock({"--latency", "fixed:50ms", "--record", "calls.jsonl"});
  const std::vector<std::string> words{"run",
                                       "-m",
                                       "mock/sim-p100",
                                       "-t",
                                       "sums/sums.yaml",
                                       "--set",
                                       "farm.in_flight_cap=4",
                                       "--set",
                                       "farm.in_flight_start=4"};
  {
    std::vector<std::string> first{ASSAY_BINARY};
    first.insert(first.end(), words.begin(), words.end());
    process running(first, folder, environment);
    // The record's first line tells that calls have begun.
    ASSERT_FALSE(wait_for_file(folder + "/calls.jsonl", *mock).empty());
    running.signal(SIGINT);
    const auto ended = running.wait();
    EXPECT_EQ(ended.code, 130) << ended.out << ended.err;
    EXPECT_NE(ended.err.find("The same command again goes on"), std::string::npos) << ended.err;
  }
  auto again = words;
  again.emplace_back("--json");
  const auto done = assay(again);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("going on with"), std::string::npos) << done.err;
  const auto result = json::parse(done.out);
  EXPECT_EQ(result["evaluations"][0]["summary_metrics"]["total_samples"], 400);
  EXPECT_EQ(json::parse(assay({"results", "--json"}).out)["evaluations"].size(), 1U)
      << "it was one run all along";
}

TEST_F(binary, StartsAnewWhenAskedTo) {
  write_task(400);
  start_mock({"--latency", "fixed:50ms", "--record", "calls.jsonl"});
  std::vector<std::string> words{
      ASSAY_BINARY, "run", "-m", "mock/sim-p100", "-t", "sums/sums.yaml", "--set", "farm.in_flight_cap=4"};
  {
    process running(words, folder, environment);
    ASSERT_FALSE(wait_for_file(folder + "/calls.jsonl", *mock).empty());
    running.signal(SIGINT);
    EXPECT_EQ(running.wait().code, 130);
  }
  const auto done =
      assay({"run", "-m", "mock/sim-p100", "-t", "sums/sums.yaml", "--fresh", "--limit", "400", "--quiet"});
  EXPECT_EQ(done.code, 0) << done.err;
  const auto list = json::parse(assay({"results", "--json"}).out)["evaluations"];
  ASSERT_EQ(list.size(), 2U);
  // Runs of one second stand in any order.
  const std::set<std::string> states{list[0]["state"], list[1]["state"]};
  EXPECT_EQ(states, (std::set<std::string>{"cancelled", "completed"}));
}

TEST_F(binary, ManagesUsersInADataFolderThatNoServerUses) {
  environment["ASSAY_NEW_PASSWORD"] = "a-long-password";
  EXPECT_EQ(assay({"users", "add", "alice", "--role", "admin"}).code, 0);
  EXPECT_EQ(assay({"users", "add", "bob", "--role", "evaluator,viewer"}).code, 0);
  EXPECT_EQ(assay({"users", "add", "bob"}).code, 2) << "he is there already";
  EXPECT_EQ(assay({"users", "disable", "alice"}).code, 2) << "she is the last administrator";
  EXPECT_EQ(assay({"users", "role", "alice", "--role", "viewer"}).code, 2) << "she is the last administrator";
  EXPECT_EQ(assay({"users", "role", "bob", "--role", "emperor"}).code, 2);
  EXPECT_EQ(assay({"users", "role", "bob", "--role", "viewer"}).code, 0);
  EXPECT_EQ(assay({"users", "disable", "bob"}).code, 0);
  const auto users = json::parse(assay({"users", "--json"}).out)["users"];
  ASSERT_EQ(users.size(), 2U);
  EXPECT_EQ(users[1]["disabled"], true);
  EXPECT_EQ(users[1]["roles"], json({"viewer"}));
  EXPECT_EQ(users.dump().find("hash"), std::string::npos);
  EXPECT_EQ(assay({"users", "delete", "bob"}).code, 0);
  EXPECT_EQ(assay({"users", "passwd", "bob"}).code, 4);
  environment["ASSAY_NEW_PASSWORD"] = "short";
  EXPECT_EQ(assay({"users", "passwd", "alice"}).code, 2);
}

TEST_F(binary, ManagesApiKeysInADataFolderThatNoServerUses) {
  environment["ASSAY_NEW_PASSWORD"] = "a-long-password";
  ASSERT_EQ(assay({"users", "add", "root", "--role", "admin"}).code, 0);
  ASSERT_EQ(assay({"users", "add", "alice", "--role", "evaluator"}).code, 0);
  const auto made = assay({"users", "keys", "add", "alice", "--name", "laptop"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out.rfind("sk-assay-", 0), 0U) << "the key alone, for scripts: " << made.out;
  EXPECT_EQ(made.out.find('\n'), made.out.size() - 1) << made.out;
  const auto key = made.out.substr(0, made.out.size() - 1);
  const auto id = key.substr(9, 12);
  EXPECT_NE(made.err.find(id), std::string::npos) << made.err;
  EXPECT_NE(made.err.find("only this once"), std::string::npos) << made.err;
  EXPECT_EQ(made.err.find(key.substr(22)), std::string::npos);

  const auto limited =
      json::parse(assay({"users", "keys", "add", "alice", "--name", "nightly", "--permission",
                         "evaluation:read,tasks:read", "--expires-in", "30d", "--requests-per-minute", "60",
                         "--tokens-per-minute", "1000", "--budget-per-day", "2.5", "--json"})
                      .out);
  EXPECT_EQ(limited["permissions"], json({"evaluation:read", "tasks:read"}));
  EXPECT_EQ(limited["requests_per_minute"], 60);
  EXPECT_EQ(limited["tokens_per_minute"], 1000);
  EXPECT_EQ(limited["budget_per_day"], 2.5);
  EXPECT_TRUE(limited["expires_at"].is_string());

  const auto listed = assay({"users", "keys", "--json"});
  const auto keys = json::parse(listed.out)["keys"];
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0]["name"], "laptop");
  EXPECT_EQ(keys[0]["user"], "alice");
  EXPECT_EQ(listed.out.find(key.substr(22)), std::string::npos);
  EXPECT_EQ(listed.out.find("digest"), std::string::npos);
  const auto shown = assay({"users", "keys", "list", "alice"});
  EXPECT_NE(shown.out.find("60 requests/min, 1,000 tokens/min, $2.50/day"), std::string::npos) << shown.out;
  EXPECT_EQ(json::parse(assay({"users", "keys", "list", "root", "--json"}).out)["keys"].size(), 0U);

  const std::vector<std::pair<std::vector<std::string>, int>> wrong{
      {{"add", "nobody", "--name", "x"}, 4},
      {{"add", "alice"}, 2},
      {{"add", "alice", "--name", "x", "--permission", "users:manage"}, 2},
      {{"add", "alice", "--name", "x", "--permission", "fly"}, 2},
      {{"add", "alice", "--name", "x", "--expires-in", "soon"}, 2},
      {{"add", "alice", "--name", "x", "--requests-per-minute", "0"}, 2},
      {{"remove", "0123456789ab"}, 4},
      {{"list", "no body"}, 4}};
  for (const auto& [words, code] : wrong) {
    std::vector<std::string> line{"users", "keys"};
    line.insert(line.end(), words.begin(), words.end());
    const auto done = assay(line);
    EXPECT_EQ(done.code, code) << words.back() << "\n" << done.err;
  }
  const auto whole = assay({"users", "keys", "remove", key});
  EXPECT_EQ(whole.code, 4);
  EXPECT_EQ(whole.err.find(key.substr(22)), std::string::npos) << "a key is not told";
  EXPECT_EQ(assay({"users", "keys", "remove", id}).code, 0);
  EXPECT_EQ(assay({"users", "keys", "remove", id}).code, 4);
  EXPECT_EQ(assay({"users", "delete", "alice"}).code, 0);
  EXPECT_EQ(json::parse(assay({"users", "keys", "--json"}).out)["keys"].size(), 0U)
      << "the keys go with their user";
}

TEST_F(binary, PrintsCompletionsThatTheShellTakes) {
  const auto done = assay({"completion", "bash"});
  ASSERT_EQ(done.code, 0);
  std::ofstream(folder + "/completion.bash") << done.out
                                             << "COMP_WORDS=(assay store pr)\nCOMP_CWORD=2\n_assay\n"
                                                "echo \"${COMPREPLY[@]}\"\n"
                                                "COMP_WORDS=(assay ret)\nCOMP_CWORD=1\n_assay\n"
                                                "echo \"${COMPREPLY[@]}\"\n"
                                                "COMP_WORDS=(assay retry --tok)\nCOMP_CWORD=2\n_assay\n"
                                                "echo \"${COMPREPLY[@]}\"\n";
  const auto shell = process({"/bin/bash", "completion.bash"}, folder).wait();
  EXPECT_EQ(shell.code, 0) << shell.err;
  EXPECT_EQ(shell.out, "prune\nretry\n--token\n");
  EXPECT_EQ(assay({"completion", "zsh"}).code, 0);
  EXPECT_EQ(assay({"completion", "fish"}).code, 0);
}

TEST_F(binary, DoctorSaysHowToMend) {
  const auto done = assay({"doctor", "--json"});
  EXPECT_EQ(done.code, 0) << done.out;
  EXPECT_EQ(json::parse(done.out)["healthy"], true);
  std::ofstream(folder + "/bad.yaml") << "nonsense: 1\n";
  const auto sick = assay({"doctor", "--config", "bad.yaml"});
  EXPECT_EQ(sick.code, 1);
  EXPECT_NE(sick.out.find("fail"), std::string::npos) << sick.out;
}

} // namespace
} // namespace assay::cli::test
