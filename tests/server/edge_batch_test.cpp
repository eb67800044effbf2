#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;

namespace fs = std::filesystem;

namespace {

class edge_batch_test : public edge_test {
protected:
  edge_batch_test() { options.results_folder = fs::path(farm_.folder()) / "results"; }

  http_reply ask(const json& more, std::string_view headers = {}) {
    json body{{"items", {{{"x", 1}}, {{"y", 2}}, {{"x", "three"}}}},
              {"prompt_template", "say {x}"},
              {"model", "m"}};
    if (!more.is_null())
      body.update(more);
    return post("/llm_api/batch", body.dump(), admin(), headers);
  }

  static std::string path_of(const json& answer) {
    return "/llm_api/batch/" + answer["batch_id"].get<std::string>();
  }

  std::vector<json> lines_of(const std::string& path) {
    const auto reply = fetch(path + "/results", admin());
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.header("content-type"), "application/x-ndjson");
    return lines_in(reply.body);
  }

  static std::vector<json> lines_in(const std::string& text) {
    std::vector<json> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
      out.push_back(json::parse(line));
    return out;
  }

  static std::string content(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  size_t files_of_batches() const {
    std::error_code ignored;
    const fs::directory_iterator files(fs::path(farm_.folder()) / "llm_batches", ignored);
    return static_cast<size_t>(std::distance(files, fs::directory_iterator{}));
  }
};

TEST_F(edge_batch_test, GoesOnWhileNobodyWaits) {
  start();
  const auto begun = ask({{"model", "slow"}, {"wait", false}});
  ASSERT_EQ(begun.status, 202) << begun.body;
  const auto answer = begun.json();
  EXPECT_EQ(answer["status"], "success");
  EXPECT_EQ(answer["task_status"], "running");
  EXPECT_FALSE(answer.contains("results"));
  EXPECT_EQ(begun.header("location"), path_of(answer));
  const auto shown = get(path_of(answer), admin()).json();
  EXPECT_EQ(shown["batch_id"], answer["batch_id"]);
  EXPECT_EQ(shown["state"], "running");
  EXPECT_EQ(shown["end_time"], nullptr);
  const auto lines = lines_of(path_of(answer));
  ASSERT_EQ(lines.size(), 1u) << "what is still to come is left out";
  EXPECT_EQ(lines[0]["response"], "echo: say 1");
}

TEST_F(edge_batch_test, StopsWaitingInTime) {
  start();
  EXPECT_EQ(ask({{"model", "slow"}}, "x-assay-timeout: 0.2\r\n").status, 202);
}

TEST_F(edge_batch_test, IsPausedResumedAndCancelled) {
  start();
  const auto path = path_of(ask({{"model", "slow"}, {"wait", false}}).json());
  EXPECT_EQ(post(path + "/pause", {}, admin()).json()["task_status"], "paused");
  EXPECT_EQ(post(path + "/resume", {}, admin()).json()["task_status"], "running");
  EXPECT_EQ(post(path + "/cancel", {}, admin()).json()["task_status"], "cancelled");
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[1]["error"].get<std::string>(), HasSubstr("no field `x`"));
  EXPECT_EQ(lines[2]["error_code"], "cancelled");
  EXPECT_EQ(get(path, admin()).json()["failed_requests"], 2);
  EXPECT_EQ(post(path + "/cancel", {}, user("vera", "viewer")).status, 403);
}

TEST_F(edge_batch_test, IsNoEvaluationOfTheLists) {
  start();
  const auto path = path_of(ask({}).json());
  EXPECT_EQ(get("/evaluations", admin()).json()["total"], 0);
  EXPECT_EQ(get("/results", admin()).json()["items"], json::array());
  const auto other = farm_.put_run("admin");
  EXPECT_EQ(get("/llm_api/batch/" + to_string(other.spec.id), admin()).status, 404);
  EXPECT_EQ(get("/llm_api/batch/nonsense", admin()).status, 404);
  EXPECT_EQ(get(path, user("eva", "evaluator")).status, 404) << "somebody else's";
}

TEST_F(edge_batch_test, WritesItsFiles) {
  start();
  const auto path = path_of(ask({{"output_dir", "results/mine"}}).json());
  json output;
  ASSERT_TRUE(comes_true([&] {
    output = get(path, admin()).json()["output"];
    return output["state"] != "waiting";
  }));
  ASSERT_EQ(output["state"], "written") << output;
  const auto id = path.substr(path.rfind('/') + 1);
  const auto name = "mine/fake_20240101_120000_" + id;
  EXPECT_EQ(output["files"], (json{name + ".jsonl", name + "_stats.json"}));
  const auto lines = lines_in(content(options.results_folder / (name + ".jsonl")));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[2]["response"], "echo: say three");
  EXPECT_EQ(lines[2]["usage"]["total_tokens"], 8);
  const auto statistics = json::parse(content(options.results_folder / (name + "_stats.json")));
  EXPECT_EQ(statistics["completed_requests"], 2);
  EXPECT_EQ(statistics["total_tokens"], 16);
  EXPECT_EQ(statistics["end_time"], "2024-01-01T12:01:00Z");
  const auto wrong = ask({{"output_dir", "../elsewhere"}});
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, HasSubstr("output_dir"));
}

TEST_F(edge_batch_test, TheSameKeyIsTheSameBatch) {
  start();
  const auto first = ask({}, "Idempotency-Key: k1\r\n").json();
  const auto again = ask({}, "Idempotency-Key: k1\r\n").json();
  EXPECT_EQ(again["batch_id"], first["batch_id"]);
  EXPECT_EQ(again["completed_requests"], 2);
  EXPECT_EQ(files_of_batches(), 1u);
}

TEST_F(edge_batch_test, RefusesAsAWholeWhatNoItemCanHave) {
  start();
  const auto missing = ask({{"model", "missing"}});
  EXPECT_EQ(missing.status, 404) << missing.body;
  EXPECT_EQ(files_of_batches(), 0u);
  for (const auto* field : {"tools", "pre_process", "response_format"}) {
    const auto reply = ask({{field, "x"}});
    EXPECT_GE(reply.status, 400u) << field;
    EXPECT_LT(reply.status, 500u) << field;
    EXPECT_THAT(reply.body, HasSubstr(field));
  }
  EXPECT_THAT(ask({{"batch_size", 4}}).json()["notes"].dump(), HasSubstr("batch_size"));
}

TEST_F(edge_batch_test, MoreThanAThousandResultsAreDownloaded) {
  start();
  auto items = json::array();
  for (int i = 0; i < 1500; ++i)
    items.push_back({{"x", i}});
  const auto answer = ask({{"items", items}}).json();
  EXPECT_EQ(answer["completed_requests"], 1500);
  EXPECT_EQ(answer["results"], nullptr);
  const auto lines = lines_of(path_of(answer));
  ASSERT_EQ(lines.size(), 1500u);
  for (size_t i = 0; i < lines.size(); ++i)
    EXPECT_EQ(lines[i]["response"], "echo: say " + std::to_string(i));
}

TEST_F(edge_batch_test, TheTextsOfARedactedBatchAreGone) {
  start();
  const auto path = path_of(ask({}).json());
  ASSERT_EQ(files_of_batches(), 1u);
  const auto id = path.substr(path.rfind('/') + 1);
  EXPECT_EQ(post("/results/" + id + "/redact", {}, admin()).status, 200);
  EXPECT_EQ(files_of_batches(), 0u);
  EXPECT_EQ(get(path + "/results", admin()).status, 409);
  EXPECT_EQ(get(path, admin()).status, 200);
}

} // namespace
