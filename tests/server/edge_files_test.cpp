#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;

namespace fs = std::filesystem;

namespace {

class edge_files_test : public edge_test {
protected:
  edge_files_test() {
    results = fs::path(farm_.folder()) / "results";
    options.results_folder = results;
  }

  http_reply submit(const std::string& path, const json& more = json::object()) {
    json body{{"model_id", "m/1"}, {"task_ids", {"arithmetic"}}, {"output_base_path", path}};
    body.update(more);
    return post("/evaluations", body.dump(), admin());
  }

  run_id submitted(const std::string& path, const json& more = json::object()) {
    const auto reply = submit(path, more);
    EXPECT_EQ(reply.status, 201) << reply.body;
    return *run_id_from_string(reply.json()["evaluation_id"].get<std::string>());
  }

  void end(run_id run, run_state state = run_state::completed) {
    farm_.finish_samples(run, 0, 3);
    if (state == run_state::completed)
      farm_.put_result(run,
                       R"({"evaluation_id":"e","task_results":[],"summary_metrics":{"overall_score":1}})");
    farm_.change_run(run, [&](run_record& record) {
      record.state = state;
      record.progress.done = 3;
      record.finished_at = wall_time{seconds{1'704'110'500 + ++ends}};
    });
  }

  /// What is said about the files once it is no longer `waiting`.
  json output_of(run_id run, const char* where = "/results/") {
    json out;
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    do
      out = get(where + to_string(run), admin()).json().value("output", json::object());
    while (out.value("state", "waiting") == "waiting" && std::chrono::steady_clock::now() < limit);
    return out;
  }

  static std::string content(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path results;
  int ends = 0;
};

} // namespace

TEST_F(edge_files_test, WritesTheResultAndTheSamplesBelowTheResultsFolder) {
  start();
  const auto run = submitted("results/mine/first");
  const auto waiting = get("/evaluations/" + to_string(run), admin()).json()["output"];
  EXPECT_EQ(waiting["state"], "waiting");
  EXPECT_EQ(waiting["folder"], "mine/first") << "results/ is the results folder itself";
  end(run);
  const auto output = output_of(run);
  const auto id = to_string(run);
  EXPECT_EQ(output["state"], "written") << output;
  EXPECT_EQ(output["files"], (json{"mine/first/m_1/results_" + id + ".json",
                                   "mine/first/m_1/samples_arithmetic_" + id + ".jsonl"}));
  const auto folder = results / "mine" / "first" / "m_1";
  EXPECT_EQ(json::parse(content(folder / ("results_" + id + ".json")))["summary_metrics"]["overall_score"],
            1);
  const auto samples = content(folder / ("samples_arithmetic_" + id + ".jsonl"));
  EXPECT_EQ(std::count(samples.begin(), samples.end(), '\n'), 3);
  EXPECT_EQ(json::parse(samples.substr(0, samples.find('\n')))["answer"], "42");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator{}), 2)
      << "no temporary file is left";
}

TEST_F(edge_files_test, WritesNoSamplesWhenNoneAreKept) {
  start();
  const auto run = submitted(".", {{"log_samples", false}});
  end(run);
  EXPECT_EQ(output_of(run)["files"], json::array({"m_1/results_" + to_string(run) + ".json"}));
}

TEST_F(edge_files_test, WritesWhatEndedWhileTheServerWasAway) {
  start();
  const auto run = submitted("later");
  stop();
  end(run);
  start();
  EXPECT_EQ(output_of(run)["state"], "written");
  EXPECT_TRUE(fs::exists(results / "later" / "m_1" / ("results_" + to_string(run) + ".json")));
}

TEST_F(edge_files_test, WritesTheComputedResultOfARunThatFailedAndAnewAfterItsRetry) {
  options.compute_result = [](const run_record& run) -> result<std::string> {
    return json{{"computed", run.progress.done}}.dump();
  };
  start();
  const auto run = submitted("x");
  end(run, run_state::failed);
  const auto output = output_of(run, "/evaluations/");
  ASSERT_EQ(output["state"], "written") << output;
  const auto file = results / output["files"][0].get<std::string>();
  EXPECT_EQ(json::parse(content(file))["computed"], 3);
  ASSERT_EQ(post("/evaluations/" + to_string(run) + "/retry", "{}", admin()).status, 200);
  EXPECT_EQ(get("/evaluations/" + to_string(run), admin()).json()["output"]["state"], "waiting");
  end(run);
  ASSERT_EQ(output_of(run)["state"], "written");
  EXPECT_EQ(json::parse(content(file))["summary_metrics"]["overall_score"], 1);
}

TEST_F(edge_files_test, NeverWritesBesideTheResultsFolder) {
  start();
  const auto outside = fs::path(farm_.folder()) / "outside";
  fs::create_directories(outside);
  fs::create_directories(results);
  fs::create_directory_symlink(outside, results / "link");
  for (const auto* path :
       {"../outside", "/tmp/x", "a/../../outside", "link", "link/deep", "results/link", "a.json", "a\nb"}) {
    const auto refused = submit(path);
    EXPECT_EQ(refused.status, 422) << path;
    EXPECT_EQ(refused.json()["error"]["field"], "output_base_path") << path;
    EXPECT_EQ(refused.body.find(farm_.folder()), std::string::npos)
        << "the server's own folders are not shown";
  }
  EXPECT_TRUE(farm_.submitted().empty());

  // A link that is put there later leads nowhere either.
  const auto run = submitted("sub");
  fs::remove(results / "sub");
  fs::create_directory_symlink(outside, results / "sub");
  end(run);
  const auto output = output_of(run);
  EXPECT_EQ(output["state"], "failed");
  EXPECT_TRUE(output["error"].is_string());
  EXPECT_TRUE(fs::is_empty(outside));
}

TEST_F(edge_files_test, AreRefusedWhereThereIsNoResultsFolder) {
  options.results_folder.clear();
  start();
  EXPECT_EQ(submit("x").json()["error"]["field"], "output_base_path");
}

TEST_F(edge_files_test, AreNotMentionedWhenNobodyAskedForThem) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  end(run);
  EXPECT_FALSE(get("/results/" + to_string(run), admin()).json().contains("output"));
}
