#include "tests/server/edge_fixture.hpp"

#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;

namespace {

class edge_results_test : public edge_test {
protected:
  run_id finished(uint32_t good = 30, uint32_t failed = 5) {
    const auto run = farm_.put_run("admin").spec.id;
    farm_.finish_samples(run, 0, good);
    if (failed > 0)
      farm_.finish_samples(run, good, failed, sample_status::failed);
    end(run);
    return run;
  }

  void end(run_id run) {
    farm_.put_result(
        run, R"({"evaluation_id":"e","model_id":"claude-3-haiku","completed_at":"2024-01-01T12:00:00Z",
      "task_results":[{"task_id":"arithmetic","score":0.5,"execution_time":2.0,"output":"42"}],
      "summary_metrics":{"overall_score":0.5,"total_cost":0.1,"total_samples":35,"errors":5},"execution_time":3.0})");
    farm_.change_run(run, [](run_record& record) {
      record.state = run_state::completed;
      record.progress.done = 35;
      record.finished_at = wall_time{seconds{1'704'110'500}};
    });
  }

  std::string samples(run_id run, const std::string& query = {}) {
    return "/results/" + to_string(run) + "/samples" + (query.empty() ? "" : "?" + query);
  }

  size_t count(run_id run, const std::string& query) {
    const auto reply = get(samples(run, "limit=500&" + query), admin());
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json()["items"].size();
  }
};

} // namespace

TEST_F(edge_results_test, FiltersSamples) {
  start();
  const auto run = finished();
  EXPECT_EQ(count(run, "error=any"), 5U);
  EXPECT_EQ(count(run, "error=none"), 30U);
  EXPECT_EQ(count(run, "error=provider_timeout"), 5U);
  EXPECT_EQ(count(run, "error=internal"), 0U);
  EXPECT_EQ(count(run, "score_min=0.5&status=scored"), 30U);
  EXPECT_EQ(count(run, "score_max=0.5"), 0U);
  EXPECT_EQ(count(run, "scorer=exact_match&score_min=1&error=none"), 30U);
  EXPECT_EQ(count(run, "task=arithmetic"), 35U);
}

TEST_F(edge_results_test, NamesTheFilterThatIsWrong) {
  start();
  const auto run = finished(1, 0);
  const auto field = [&](const std::string& query) {
    const auto reply = get(samples(run, query), admin());
    EXPECT_EQ(reply.status, 422) << query;
    return reply.json()["error"]["field"].get<std::string>();
  };
  EXPECT_EQ(field("score_min=much"), "score_min");
  EXPECT_EQ(field("task=nothing"), "task");
  EXPECT_EQ(field("prompt_type=nothing"), "prompt_type");
  EXPECT_EQ(field("scorer=nothing"), "scorer");
  EXPECT_EQ(field("cursor=1-2"), "cursor");
}

TEST_F(edge_results_test, GoesOnBehindACursorWithAFilter) {
  start();
  const auto run = finished(40, 7);
  std::set<std::string> seen;
  std::string cursor;
  for (int pages = 0; pages < 20; ++pages) {
    const auto reply =
        get(samples(run, "error=any&limit=3" + (cursor.empty() ? "" : "&cursor=" + cursor)), admin()).json();
    for (const auto& item : reply["items"])
      EXPECT_TRUE(seen.insert(item["id"].get<std::string>()).second) << item;
    if (reply["next_cursor"].is_null())
      break;
    cursor = reply["next_cursor"].get<std::string>();
  }
  EXPECT_EQ(seen.size(), 7U);
}

TEST_F(edge_results_test, ShowsOneSampleWithEverything) {
  start();
  const auto run = finished();
  const auto reply = get(samples(run) + "/0:0:3:0", admin());
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto one = reply.json();
  EXPECT_EQ(one["id"], "0:0:3:0");
  EXPECT_EQ(one["request"]["prompt"], "what is 6*7?");
  EXPECT_EQ(one["response"]["answer"], "42");
  EXPECT_EQ(one["answers"].size(), 1U);
  EXPECT_TRUE(one.contains("timing") && one.contains("retries") && one.contains("key")) << one;
  EXPECT_EQ(get(samples(run) + "/0:0:999:0", admin()).status, 404);
  EXPECT_EQ(get(samples(run) + "/nothing", admin()).status, 404);
  EXPECT_EQ(get(samples(run) + "/0:0:3:0", user("eva", "evaluator")).status, 404) << "somebody else's";
}

TEST_F(edge_results_test, ExportsInEveryForm) {
  start();
  const auto run = finished();
  const auto path = "/results/" + to_string(run) + "/export?format=";
  const auto document = fetch(path + "json", admin());
  ASSERT_EQ(document.status, 200) << document.body;
  EXPECT_EQ(document.json()["samples"].size(), 35U);
  EXPECT_THAT(document.header("content-disposition"), HasSubstr(to_string(run) + ".json"));
  const auto table = fetch(path + "csv", admin());
  EXPECT_THAT(table.header("content-type"), HasSubstr("text/csv"));
  EXPECT_THAT(table.body, HasSubstr("evaluation_id,model_id,task_id"));
  EXPECT_THAT(fetch(path + "jsonl", admin()).body, HasSubstr("\"0:0:34:0\""));
  EXPECT_THAT(fetch(path + "junit", admin()).body, HasSubstr("tests=\"35\" failures=\"0\" errors=\"5\""));
  EXPECT_THAT(fetch(path + "html", admin()).body, HasSubstr("</html>"));
  EXPECT_EQ(fetch(path + "evallog", admin()).json()["version"], 2);
  EXPECT_TRUE(fetch(path + "lm-eval", admin()).json().contains("task_hashes"));
  EXPECT_THAT(fetch(path + "lm-eval&part=samples&task=arithmetic", admin()).body, HasSubstr("\"doc_hash\""));
}

TEST_F(edge_results_test, RefusesExportsThatMakeNoSense) {
  start();
  const auto run = finished(1, 0);
  const auto path = "/results/" + to_string(run) + "/export?format=";
  EXPECT_EQ(fetch(path + "parquet", admin()).status, 422);
  EXPECT_EQ(fetch(path + "csv&part=samples", admin()).status, 422);
  EXPECT_EQ(fetch(path + "csv&task=nothing", admin()).json()["error"]["field"], "task");
  EXPECT_EQ(fetch(path + "csv", user("eva", "evaluator")).status, 404);
}

TEST_F(edge_results_test, StreamsWhatIsLargerThanAPiece) {
  start();
  const auto run = finished(3000, 0);
  const auto reply = fetch("/results/" + to_string(run) + "/export?format=jsonl", admin());
  EXPECT_EQ(reply.header("transfer-encoding"), "chunked");
  EXPECT_EQ(std::count(reply.body.begin(), reply.body.end(), '\n'), 3000);
}

TEST_F(edge_results_test, RemovesAnEvaluationForGood) {
  start();
  const auto run = finished();
  const auto path = "/evaluations/" + to_string(run);
  const auto live = farm_.put_run("admin").spec.id;
  EXPECT_EQ(http(port(), "DELETE", "/evaluations/" + to_string(live) + "?purge=true", {}, admin()).status,
            409)
      << "it runs";
  EXPECT_EQ(http(port(), "DELETE", path + "?purge=true", {}, user("vera", "viewer")).status, 403);
  const auto removed = http(port(), "DELETE", path + "?purge=true", {}, admin());
  ASSERT_EQ(removed.status, 200) << removed.body;
  EXPECT_EQ(removed.json()["purged"], true);
  EXPECT_EQ(get(path, admin()).status, 404);
  EXPECT_EQ(http(port(), "DELETE", path + "?purge=true", {}, admin()).status, 404);
  auto view = storage::snapshot::open(farm_.store());
  ASSERT_TRUE(view);
  const auto trail = view->page_documents(storage::table::audit, {});
  ASSERT_TRUE(trail);
  ASSERT_EQ(trail->documents.size(), 1U) << "what was refused left no trace";
  EXPECT_THAT(trail->documents[0].second.bytes, HasSubstr("\"action\":\"purge\""));
  EXPECT_THAT(trail->documents[0].second.bytes, HasSubstr(to_string(run)));
}

TEST_F(edge_results_test, RedactsAnEvaluation) {
  start();
  const auto run = finished();
  const auto path = "/results/" + to_string(run) + "/redact";
  const auto reply = post(path, "", admin());
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_TRUE(reply.json()["redacted_at"].is_string());
  EXPECT_EQ(post(path, "", admin()).status, 200) << "again it changes nothing";
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  json one;
  do
    one = get(samples(run) + "/0:0:3:0", admin()).json();
  while (!one["answer"].get<std::string>().empty() && std::chrono::steady_clock::now() < limit);
  EXPECT_EQ(one["answer"], "");
  EXPECT_EQ(one["score"], 1.0) << "scores stay";
  EXPECT_EQ(post("/results/" + to_string(farm_.put_run("admin").spec.id) + "/redact", "", admin()).status,
            409);
}

TEST_F(edge_results_test, ListsResultsInPages) {
  start();
  std::set<std::string> wanted;
  for (int i = 0; i < 5; ++i) {
    const auto run = farm_.put_run("admin").spec.id;
    farm_.put_result(run,
                     R"({"evaluation_id":")" + to_string(run)
                         + R"(","task_results":[{"task_id":"arithmetic","output":"42"}],"analysis":{}})");
    farm_.change_run(run, [](run_record& record) {
      record.state = run_state::completed;
      record.finished_at = wall_time{seconds{1'704'110'500}};
    });
    wanted.insert(to_string(run));
  }
  farm_.put_run("admin");
  std::set<std::string> seen;
  std::string cursor;
  for (int pages = 0; pages < 9; ++pages) {
    const auto page = get("/results?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor), admin()).json();
    for (const auto& item : page["items"]) {
      EXPECT_TRUE(seen.insert(item["evaluation_id"].get<std::string>()).second);
      EXPECT_FALSE(item["task_results"][0].contains("output") || item.contains("analysis")) << item;
    }
    if (page["next_cursor"].is_null())
      break;
    cursor = page["next_cursor"].get<std::string>();
  }
  EXPECT_EQ(seen, wanted);
  EXPECT_TRUE(get("/results?task_id=other", admin()).json()["items"].empty());
  EXPECT_EQ(get("/results?task_id=arithmetic&include_details=true", admin())
                .json()["items"][0]["task_results"][0]["output"],
            "42");
  EXPECT_TRUE(get("/results", user("eva", "evaluator")).json()["items"].empty()) << "somebody else's";
  EXPECT_EQ(get("/results?cursor=x", admin()).json()["error"]["field"], "cursor");
}

reports::counted_source counted(const std::string& name, const std::string& owner, uint64_t full) {
  reports::counted_source out;
  out.name = name;
  out.owner = user_id{owner};
  out.finished_at = wall_time{seconds{1'704'110'500}};
  reports::counted_tests tests;
  tests.kind = {"m", "mock", "sums", "reasoning", "baseline", "advanced"};
  tests.counts.total = 10;
  tests.counts.full = full;
  out.tests.push_back(std::move(tests));
  return out;
}

TEST_F(edge_results_test, ShowsTheResultDatabaseOfAllRunsOrOfOnesOwn) {
  start();
  const auto evas = user("eva", "evaluator");
  farm_.put_counts(counted("eval_1", "admin", 7));
  farm_.put_counts(counted("eval_1", "admin", 8));
  farm_.put_counts(counted("eval_2", "eva", 5));
  const auto all = get("/database/stats", admin()).json();
  EXPECT_EQ(all["summary"]["total_tests"], 20) << all;
  EXPECT_EQ(all["summary"]["total_success"], 13) << "a run that is counted again counts once";
  EXPECT_EQ(get("/database/stats", evas).json()["summary"]["total_tests"], 10) << "others' runs do not count";
  const auto rows = get("/database/query?by=model,difficulty&difficulty=hard", admin()).json();
  ASSERT_EQ(rows["items"].size(), 1U) << rows;
  EXPECT_EQ(rows["items"][0]["difficulty"], "advanced");
  EXPECT_EQ(get("/database/query?difficulty=easy", admin()).json()["items"][0]["total"], 0);
  EXPECT_EQ(get("/database/query?by=colour", admin()).json()["error"]["field"], "by");
  const auto file = get("/database/export?model=m", admin()).json();
  EXPECT_EQ(file["summary"]["total_tests"], 20);
  EXPECT_EQ(file["models"]["m"]["overall_stats"]["full_success"], 13);
  EXPECT_EQ(get("/database/stats").status, 401);
}

TEST_F(edge_results_test, ComparesModelsAndTasksAcrossRuns) {
  start();
  finished();
  finished();
  const auto models = get("/analytics/models", admin()).json();
  ASSERT_EQ(models["items"].size(), 1U) << models;
  EXPECT_EQ(models["runs"], 2);
  EXPECT_EQ(models["items"][0]["average_score"], 0.5);
  EXPECT_EQ(models["items"][0]["task_count"], 1);
  EXPECT_EQ(models["items"][0]["average_execution_time"], 3.0);
  EXPECT_EQ(get("/analytics/tasks?task_id=arithmetic", admin()).json()["items"][0]["models"].size(), 1U);
  EXPECT_EQ(get("/analytics/trends?model_id=claude-3-haiku", admin()).json()["items"][0]["points"].size(),
            2U);
  EXPECT_TRUE(get("/analytics/models?model_id=other", admin()).json()["items"].empty());
  EXPECT_TRUE(get("/analytics/models", user("eva", "evaluator")).json()["items"].empty())
      << "others' runs do not count";
  EXPECT_EQ(get("/analytics/models").status, 401);
}
