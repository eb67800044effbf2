#include "binary_fixture.hpp"

#include <algorithm>
#include <sstream>

namespace assay::cli::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// What goes wrong around a command: disks, paths, variables, files.
class troubles : public binary {
protected:
  size_t calls_recorded() const {
    std::ifstream record(folder + "/calls.jsonl");
    size_t count = 0;
    for (std::string line; std::getline(record, line);)
      ++count;
    return count;
  }

  /// `assay run` of the sums, with more flags.
  std::vector<std::string> run_sums(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{"run", "-m", "sim-p100", "-t", "sums/sums.yaml"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(troubles, AFullDiskEndsARunWithItsReason) {
  write_task(1500);
  start_mock({"--latency", "fixed:5ms"});
  // No file may grow beyond so many blocks of 512 bytes: the store fills up while the run goes on. At a whole
  // page the write is refused, within one it is cut short.
  for (const auto* blocks : {"400", "603"}) {
    const auto command =
        std::string("ulimit -f ") + blocks + "; exec " ASSAY_BINARY " run -m sim-p100 -t sums/sums.yaml";
    const auto done = process({"/bin/sh", "-c", command}, folder, environment).wait();
    EXPECT_EQ(done.code, 6) << done.out << done.err;
    EXPECT_NE(done.err.find("make room on the disk"), std::string::npos) << done.err;
  }
  const auto again = assay(run_sums({"--json"}));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(json::parse(again.out)["evaluations"][0]["summary_metrics"]["total_samples"], 1500)
      << "with room again it goes on";
}

TEST_F(troubles, AnOutputPathThatCannotBeWrittenIsFoundBeforeTheFirstCall) {
  write_task(2);
  start_mock({"--record", "calls.jsonl"});
  std::ofstream(folder + "/file") << "in the way";
  fs::create_directory(folder + "/folder.json");
  for (const auto* path : {"./file/below", "./file/below.json", "./folder.json", "/proc/nobody/made/this"}) {
    const auto done = assay(run_sums({"--output_path", path}));
    EXPECT_EQ(done.code, 6) << path << done.out;
    EXPECT_NE(done.err.find(fs::path(path).filename().string()), std::string::npos) << done.err;
  }
  EXPECT_EQ(calls_recorded(), 0U);
  const auto good = assay(run_sums({"--output_path", "./made/here"}));
  EXPECT_EQ(good.code, 0) << good.err;
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder + "/made"))
    files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, 1U) << "the result, and nothing of the look whether it can be written";
}

TEST_F(troubles, ARunThatReachesItsTimeLimitFails) {
  write_task(40);
  start_mock({"--latency", "fixed:300ms"});
  const auto done = assay(run_sums({"--time-limit", "1s", "--set", "farm.in_flight_cap=1"}));
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_NE(done.err.find("time limit"), std::string::npos) << done.err;
}

TEST_F(troubles, WriteOutPrintsTheFirstPromptOfEachTask) {
  write_task(3);
  start_mock();
  const auto done = assay(run_sums({"--write_out", "-p", "plain,polite"}));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.out.find("What is 0 plus 1? Only the number."), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("Please say what 0 plus 1 is"), std::string::npos) << done.out;
  EXPECT_EQ(done.out.find("What is 1 plus 1?"), std::string::npos) << "only the first: " << done.out;
}

TEST_F(troubles, ItsOwnVariablesAreNoUnknownSettings) {
  for (const auto* name : {"ASSAY_NEW_PASSWORD", "ASSAY_PASSWORD", "ASSAY_TOKEN"})
    environment[name] = "something";
  const auto done = assay({"run", "-m", "sim-strong", "-t", "unit_conversion", "--dry-run"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err.find("names no setting"), std::string::npos) << done.err;
}

TEST_F(troubles, AFieldThatNoRowHasIsFoundBeforeTheFirstCall) {
  write_task(3);
  start_mock({"--record", "calls.jsonl"});
  std::ofstream(folder + "/sums/broken.yaml")
      << "id: broken\ndataset: sums.jsonl\nprompt: \"What is {nofield}?\"\ntarget: \"{b}\"\n"
         "scorer: {type: numeric}\n";
  const auto done = assay({"run", "-m", "sim-p100", "-t", "sums/broken.yaml"});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_NE(done.err.find("nofield"), std::string::npos) << done.err;
  EXPECT_EQ(calls_recorded(), 0U);
}

TEST_F(troubles, CertificatesThatCannotBeReadEndTheStart) {
  write_task(2);
  start_mock({"--record", "calls.jsonl"});
  const auto done = assay(run_sums({"--set", "network.extra_ca_file=nowhere.pem"}));
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_NE(done.err.find("network.extra_ca_file"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("nowhere.pem"), std::string::npos) << done.err;
  EXPECT_EQ(calls_recorded(), 0U);
}

TEST_F(troubles, ADataFolderThatIsNoneIsCalledWhatItIs) {
  std::ofstream(folder + "/file") << "in the way";
  const auto file = assay({"results", "--data-dir", "file"});
  EXPECT_EQ(file.code, 6);
  EXPECT_NE(file.err.find("is a file"), std::string::npos) << file.err;
  fs::create_directory(folder + "/hollow");
  std::ofstream(folder + "/hollow/data.mdb").flush();
  const auto hollow = assay({"results", "--data-dir", "hollow"});
  EXPECT_EQ(hollow.code, 6);
  EXPECT_NE(hollow.err.find("is empty"), std::string::npos) << hollow.err;
}

TEST_F(troubles, WrongValuesAreAnsweredWithWhatTheyCouldBe) {
  environment["DB_URL"] = "sqlite:///x.db";
  EXPECT_EQ(assay({"models"}).code, 3);
  environment.erase("DB_URL");
  const auto limit = assay({"run", "-m", "sim-strong", "-t", "x", "--limit", "99999999999999999999"});
  EXPECT_EQ(limit.code, 2);
  EXPECT_NE(limit.err.find("too large"), std::string::npos) << limit.err;
  std::ofstream(folder + "/models.yaml") << "models: {mine: {model_type: nonsense}}\n";
  const auto kind = assay({"models", "--config", "models.yaml"});
  EXPECT_NE(kind.code, 0);
  EXPECT_NE(kind.err.find("openai"), std::string::npos) << "the words that are known: " << kind.err;
}

TEST_F(troubles, NotesSpeakOfFlags) {
  write_task(1);
  const auto done = assay(run_sums({"--batch_size", "auto", "--device", "cpu"}));
  EXPECT_NE(done.err.find("--batch_size: accepted"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("--device: accepted"), std::string::npos) << done.err;
  EXPECT_EQ(done.err.find("configuration."), std::string::npos) << done.err;
}

TEST_F(troubles, MoreIsToldOnlyToThoseWhoAskForIt) {
  write_task(1);
  start_mock();
  const auto lines_of = [&](const std::vector<std::string>& more) {
    const auto done = assay(run_sums(more));
    EXPECT_EQ(done.code, 0) << done.err;
    return std::count(done.err.begin(), done.err.end(), '\n');
  };
  const auto usual = lines_of({});
  const auto verbose = lines_of({"-v"});
  EXPECT_GT(verbose, usual);
  EXPECT_GT(lines_of({"-vv"}), verbose);
}

TEST_F(troubles, WhatAProviderSaidIsShownOnOneLineAndWithItsSamples) {
  write_task(2);
  start_mock({"--fault", "html_body:every=1"});
  const auto done = assay(run_sums({"--set", "retry.max_attempts=1"}));
  EXPECT_EQ(done.code, 5) << done.err;
  EXPECT_NE(done.out.find("(simulated)"), std::string::npos) << "also when no answer says so: " << done.out;
  const auto at = done.err.find("failed: ");
  ASSERT_NE(at, std::string::npos) << done.err;
  const auto line = done.err.substr(at, done.err.find('\n', at) - at);
  EXPECT_NE(line.find("HTTP"), std::string::npos) << done.err;
  EXPECT_EQ(done.err.find("\n<"), std::string::npos) << "no page of a gateway: " << done.err;
  std::istringstream table(done.out);
  for (std::string row; std::getline(table, row);)
    // Characters, not bytes.
    EXPECT_LT(std::count_if(row.begin(), row.end(), [](char c) { return (c & 0xC0) != 0x80; }), 160) << row;
  const auto samples = assay({"show", "last", "--failed"});
  EXPECT_EQ(samples.code, 0);
  EXPECT_NE(samples.out.find("HTTP"), std::string::npos) << "the reason beside its code: " << samples.out;
}

TEST_F(troubles, ARunThatRanOutOfTimeIsResumedWithoutAServer) {
  write_task(12);
  start_mock({"--latency", "fixed:300ms"});
  ASSERT_EQ(assay(run_sums({"--time-limit", "1s", "--set", "farm.in_flight_cap=1"})).code, 1);
  const auto done = assay({"resume", "last", "--json"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(assay({"runs", "--json"}).out)["evaluations"][0]["state"], "completed");
}

TEST_F(troubles, ARunWhoseProviderIsToBlameEndsWithFive) {
  write_task(2);
  for (const auto* rule : {"status:status=401,every=1", "status:status=503,every=1", "html_body:every=1"}) {
    start_mock({"--fault", rule});
    const auto done = assay(run_sums({"--set", "retry.max_attempts=1"}));
    EXPECT_EQ(done.code, 5) << rule << done.out << done.err;
    EXPECT_EQ(done.err.find(" in )"), std::string::npos) << "advice with a hole: " << done.err;
    mock.reset();
    fs::remove(folder + "/mock.port");
  }
}

TEST_F(troubles, OutputThatCannotBeWrittenIsNoSuccess) {
  write_task(1);
  start_mock();
  const auto to = [&](const std::string& command) {
    return process({"/bin/sh", "-c", "exec " ASSAY_BINARY " " + command}, folder, environment).wait();
  };
  const auto run = to("run -m sim-p100 -t sums/sums.yaml > /dev/full");
  EXPECT_EQ(run.code, 6) << run.err;
  EXPECT_NE(run.err.find("standard output could not be written"), std::string::npos) << run.err;
  for (const auto* command : {"results", "results last --json", "tasks", "--help", "--version"})
    EXPECT_EQ(to(std::string(command) + " > /dev/full").code, 6) << command;
  EXPECT_EQ(to("results last --json > there.json").code, 0);
  EXPECT_TRUE(json::accept(std::ifstream(folder + "/there.json")));
  // Who has seen enough is no disk that is full.
  const auto enough =
      process({"/bin/sh", "-c", "(" ASSAY_BINARY " completion bash; echo $? > code) | true"}, folder).wait();
  EXPECT_EQ(enough.err, "");
  EXPECT_EQ(wait_for_file(folder + "/code", *mock), "0\n");
}

TEST_F(troubles, NumbersOfRowsAreCountsAboveNothing) {
  for (const auto* number : {"-1", "0"})
    for (const auto& words : {std::vector<std::string>{"results", "-n"},
                              {"results", "list", "-n"},
                              {"runs", "-n"},
                              {"show", "last", "-n"}}) {
      auto all = words;
      all.emplace_back(number);
      EXPECT_EQ(assay(all).code, 2) << words[0] << " -n " << number;
    }
}

TEST_F(troubles, IdsStayWholeOnANarrowTerminal) {
  write_task(2);
  std::ofstream(folder + "/sums/long.yaml")
      << "id: arithmetic_of_small_sums\ndataset: sums.jsonl\nlanguages: [en]\n"
         "prompts:\n  plain: \"What is {a} plus 1? Only the number.\"\n"
         "  polite: \"Please say what {a} plus 1 is, only the number.\"\n"
         "target: \"{b}\"\nscorer: {type: numeric}\n";
  start_mock();
  ASSERT_EQ(assay({"run", "-m", "sim-p100", "-t", "sums/long.yaml"}).code, 0);
  const auto on_80_columns = [&](const std::string& command) {
    const auto done =
        process({"/usr/bin/script", "-qec", "stty cols 80; exec " ASSAY_BINARY " " + command, "/dev/null"},
                folder, environment)
            .wait();
    EXPECT_EQ(done.code, 0) << command << done.out;
    return done.out;
  };
  const auto tasks = on_80_columns("tasks --include-path sums");
  EXPECT_NE(tasks.find("arithmetic_of_small_sums "), std::string::npos) << tasks;
  const auto samples = on_80_columns("show last");
  EXPECT_NE(samples.find("arithmetic_of_small_sums:plain:1 "), std::string::npos) << samples;
  const auto runs = on_80_columns("results");
  const auto id = json::parse(assay({"results", "--json"}).out)["evaluations"][0].value("evaluation_id", "?");
  EXPECT_NE(runs.find(id), std::string::npos) << runs;
}

TEST_F(troubles, TaskFilesCanBeShownAsTheyCanBeRun) {
  write_task(3);
  for (const auto* path : {"sums/sums.yaml", "./sums/sums.yaml"}) {
    const auto shown = assay({"tasks", "show", path, "--json"});
    ASSERT_EQ(shown.code, 0) << shown.err;
    EXPECT_TRUE(json::parse(shown.out)["dataset"].get<std::string>().ends_with("sums.jsonl")) << shown.out;
  }
  const auto all = assay({"tasks", "show", "./sums"});
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_NE(all.out.find("sums"), std::string::npos) << all.out;
  EXPECT_EQ(assay({"tasks", "show", "sums/none.yaml"}).code, 4);
}

TEST_F(troubles, ABackupLeavesAFolderAloneThatHoldsSomethingElse) {
  write_task(1);
  start_mock();
  ASSERT_EQ(assay(run_sums()).code, 0);
  const auto runs = assay({"runs"}).out;
  EXPECT_EQ(runs.find("$0.0000 "), std::string::npos) << "little is not nothing: " << runs;
  const auto refused = assay({"store", "backup", "sums"});
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.err.find("not empty"), std::string::npos) << refused.err;
  EXPECT_FALSE(fs::exists(folder + "/sums/data.mdb"));
}

} // namespace
} // namespace assay::cli::test
