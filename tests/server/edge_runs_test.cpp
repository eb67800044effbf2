#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;

using edge_runs_test = edge_test;

TEST_F(edge_runs_test, CreatesEvaluationsAsDocumented) {
  start();
  const auto reply = post("/evaluations", R"({
    "model_id": "claude-3-haiku", "task_ids": ["a", "b"],
    "configuration": {"temperature": 0.7, "max_tokens": 1024, "limit": 5},
    "context_mode": "full_context", "metadata": {"experiment_name": "baseline_test"}})",
                          user("eva", "evaluator"));
  ASSERT_EQ(reply.status, 201) << reply.body;
  const auto body = reply.json();
  EXPECT_THAT(body["evaluation_id"].get<std::string>(), MatchesRegex("eval_[0-9]+_[0-9a-f]+"));
  EXPECT_EQ(body["status"], "created");
  EXPECT_EQ(body["message"], "Evaluation created successfully");
  EXPECT_EQ(body["created_at"], "2024-01-01T12:00:00Z");
  EXPECT_EQ(body["estimated_cost"], 1.5);
  EXPECT_EQ(reply.header("location"), "/evaluations/" + body["evaluation_id"].get<std::string>());
  const auto asked = farm_.submitted();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].owner.value, "eva");
  EXPECT_EQ(asked[0].request.generation.temperature, 0.7);
  EXPECT_EQ(asked[0].request.limit, 5u);
}

TEST_F(edge_runs_test, NamesTheFieldThatTheFarmRefuses) {
  start();
  const auto reply = post("/evaluations", R"({"model_id":"m","task_ids":["a","missing"]})", admin());
  EXPECT_EQ(reply.status, 422);
  EXPECT_EQ(reply.json()["error"]["field"], "task_ids[1]");
  EXPECT_EQ(reply.json()["error"]["code"], "VALIDATION_ERROR") << "the address was right";
  EXPECT_EQ(reply.json()["detail"], "task_ids[1]: there is no task 'missing'")
      << "clear without the field too";
  EXPECT_EQ(post("/evaluations", R"({"model_id":"m","task_ids":["a"],"limit":0})", admin())
                .json()["error"]["field"],
            "limit");
  EXPECT_TRUE(farm_.submitted().empty()) << "what is wrong in itself never reaches the farm";
}

TEST_F(edge_runs_test, AnswersTheSameEvaluationToTheSameKey) {
  start();
  const auto body = R"({"model_id":"m","task_ids":["a"]})";
  const auto first = post("/evaluations", body, admin(), "Idempotency-Key: k1\r\n");
  const auto second = post("/evaluations", body, admin(), "Idempotency-Key: k1\r\n");
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(first.json()["evaluation_id"], second.json()["evaluation_id"]);
  EXPECT_EQ(post("/evaluations", body, admin(), "Idempotency-Key: not good\r\n").status, 422);
}

TEST_F(edge_runs_test, PlansWithoutRunning) {
  start();
  const auto reply = post("/evaluations", R"({"model_id":"m","task_ids":["a"],"dry_run":true})", admin());
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json()["dry_run"], true);
  EXPECT_TRUE(reply.json()["plan"]["evaluation_id"].is_null()) << "nothing has this id";
  EXPECT_EQ(reply.json()["evaluation_id"], nullptr);
  EXPECT_EQ(reply.json()["calls"], 10);
}

TEST_F(edge_runs_test, ShowsHowFarALiveEvaluationIs) {
  start();
  const auto run = farm_.put_run("admin");
  const auto reply = get("/evaluations/" + to_string(run.spec.id), admin());
  ASSERT_EQ(reply.status, 200);
  const auto body = reply.json();
  EXPECT_EQ(body["status"], "running");
  EXPECT_EQ(body["progress"], 0.5) << "asked of the farm, which knows more than the store";
  EXPECT_EQ(body["error_message"], nullptr);
  EXPECT_EQ(body["total_tasks"], 1);
}

TEST_F(edge_runs_test, HidesTheEvaluationsOfOthers) {
  start();
  const auto eva = user("eva", "evaluator");
  const auto other = user("otto", "evaluator");
  const auto id = to_string(farm_.put_run("eva", run_state::completed).spec.id);
  farm_.put_result(*run_id_from_string(id), R"({"evaluation_id":"x"})");
  EXPECT_EQ(get("/evaluations/" + id, eva).status, 200);
  EXPECT_EQ(get("/evaluations/" + id, admin()).status, 200);
  for (const auto& path : {"/evaluations/" + id, "/results/" + id, "/results/" + id + "/samples"}) {
    EXPECT_EQ(get(path, other).status, 404) << path;
    EXPECT_EQ(get(path, eva).status, 200) << path;
  }
  for (const auto* verb : {"pause", "resume", "retry", "cancel"})
    EXPECT_EQ(http(port(), "POST", "/evaluations/" + id + "/" + verb, {}, other).status, 404) << verb;
  EXPECT_EQ(http(port(), "DELETE", "/evaluations/" + id, {}, other).status, 404);
  EXPECT_TRUE(farm_.commands().empty());
  // Unknown and hidden ones cannot be told apart.
  auto hidden = get("/evaluations/" + id, other).json();
  auto unknown = get("/evaluations/eval_1704110400_00ffffff", other).json();
  EXPECT_EQ(hidden["error"]["code"], unknown["error"]["code"]);
  EXPECT_EQ(get("/evaluations", other).json()["total"], 0);
  EXPECT_EQ(get("/evaluations?owner=eva", other).json()["total"], 0);
  EXPECT_EQ(get("/evaluations", eva).json()["total"], 1);
  const auto depends = R"({"model_id":"m","task_ids":["a"],"depends_on":[")" + id + "\"]}";
  EXPECT_EQ(post("/evaluations", depends, other).json()["error"]["field"], "depends_on");
  EXPECT_EQ(post("/evaluations", depends, eva).status, 201);
}

TEST_F(edge_runs_test, ARetryMaySayWhatTheRunMayCostFromNowOn) {
  start();
  const auto eva = user("eva", "evaluator");
  const auto id = to_string(farm_.put_run("eva", run_state::failed).spec.id);
  const auto path = "/evaluations/" + id + "/retry";
  EXPECT_EQ(post(path, R"({"max_cost": -1})", eva).status, 422);
  EXPECT_EQ(post(path, R"({"max_cost": "much"})", eva).status, 422);
  EXPECT_TRUE(farm_.commands().empty());
  ASSERT_EQ(post(path, R"({"max_cost": 5})", eva).status, 200);
  ASSERT_EQ(post(path, "{}", eva).status, 200);
  ASSERT_EQ(farm_.commands().size(), 2u);
  EXPECT_EQ(farm_.commands()[0].max_cost, from_dollars(5));
  EXPECT_FALSE(farm_.commands()[1].max_cost.has_value());
}

TEST_F(edge_runs_test, ShowsAViewerEverythingAndLetsItChangeNothing) {
  start();
  const auto viewer = user("vera", "viewer");
  const auto id = to_string(farm_.put_run("eva", run_state::completed).spec.id);
  farm_.put_run("otto");
  farm_.put_result(*run_id_from_string(id), R"({"evaluation_id":"x"})");
  for (const auto& path : {"/evaluations/" + id, "/results/" + id, "/results/" + id + "/samples"})
    EXPECT_EQ(get(path, viewer).status, 200) << path;
  EXPECT_EQ(get("/evaluations", viewer).json()["total"], 2);
  EXPECT_EQ(get("/evaluations?owner=otto", viewer).json()["total"], 1);
  for (const auto* verb : {"pause", "resume", "retry", "cancel"})
    EXPECT_EQ(http(port(), "POST", "/evaluations/" + id + "/" + verb, {}, viewer).status, 403) << verb;
  EXPECT_EQ(http(port(), "DELETE", "/evaluations/" + id, {}, viewer).status, 403);
  EXPECT_TRUE(farm_.commands().empty());
}

TEST_F(edge_runs_test, LetsAnEvaluatorWhoIsAlsoAViewerChangeItsOwnOnly) {
  start();
  post("/users", R"({"username":"both","password":"long enough","roles":["evaluator","viewer"]})", admin());
  const auto both = login("both", "long enough");
  const auto own = "/evaluations/" + to_string(farm_.put_run("both").spec.id);
  const auto other = "/evaluations/" + to_string(farm_.put_run("eva").spec.id);
  EXPECT_EQ(get(other, both).status, 200);
  const auto refused = post(other + "/pause", "{}", both);
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.json()["message"].get<std::string>(), HasSubstr("somebody else's"));
  EXPECT_EQ(post(own + "/pause", "{}", both).status, 200);
  EXPECT_EQ(post(other + "/pause", "{}", admin()).status, 200);
}

TEST_F(edge_runs_test, NamesFieldsAsTheCallerWroteThem) {
  start();
  const auto error = [&](const char* body) {
    const auto reply = post("/evaluations", body, admin());
    EXPECT_EQ(reply.status, 422) << reply.body;
    EXPECT_EQ(reply.json()["error"]["code"], "VALIDATION_ERROR");
    return reply.json()["error"];
  };
  const auto keyless = error(R"({"model_id":"without-key","task_ids":["a"]})");
  EXPECT_EQ(keyless["field"], "model_id");
  EXPECT_THAT(keyless["details"]["hint"].get<std::string>(), HasSubstr("DEEPSEEK_API_KEY"));
  EXPECT_EQ(error(R"({"model":"without-key","tasks":["a"]})")["field"], "model");
  EXPECT_EQ(error(R"({"model_id":"m","tasks":["missing"]})")["field"], "tasks[0]");
  EXPECT_EQ(error(R"({"model_id":"m","task_ids":["missing"]})")["field"], "task_ids[0]");
}

TEST_F(edge_runs_test, RefusesIdsOfAnotherForm) {
  start();
  for (const auto* id :
       {"x", "eval_1_2", "eval_1234567890_ABCD1234x", "..%2F..%2Fetc", "%00", "eval_99999999999_00000000"})
    EXPECT_EQ(get(std::string("/evaluations/") + id, admin()).status, 404) << id;
}

TEST_F(edge_runs_test, ListsNewestFirstByPageAndStatus) {
  start();
  for (int i = 0; i < 5; ++i)
    farm_.put_run(i % 2 == 0 ? "eva" : "otto", i == 0 ? run_state::completed : run_state::running);
  farm_.put_run("eva", run_state::queued);
  const auto all = get("/evaluations?limit=4", admin()).json();
  EXPECT_EQ(all["total"], 6);
  EXPECT_EQ(all["items"].size(), 4u);
  EXPECT_GT(all["items"][0]["evaluation_id"].get<std::string>(),
            all["items"][1]["evaluation_id"].get<std::string>());
  EXPECT_EQ(get("/evaluations?limit=4&page=2", admin()).json()["items"].size(), 2u);
  EXPECT_EQ(get("/evaluations?status=completed", admin()).json()["total"], 1);
  EXPECT_EQ(get("/evaluations?status=created", admin()).json()["total"], 1)
      << "queued is created in this API";
  EXPECT_EQ(get("/evaluations?owner=otto", admin()).json()["total"], 2);
  EXPECT_EQ(get("/evaluations?status=unheard", admin()).status, 422);
}

TEST_F(edge_runs_test, PassesVerbsOn) {
  start();
  const auto id = to_string(farm_.put_run("admin").spec.id);
  const auto paused = http(port(), "POST", "/evaluations/" + id + "/pause", {}, admin()).json();
  EXPECT_EQ(paused["status"], "paused");
  EXPECT_EQ(paused["message"], "Evaluation paused");
  EXPECT_EQ(post("/evaluations/" + id + "/resume", "{}", admin()).json()["status"], "running");
  EXPECT_EQ(http(port(), "DELETE", "/evaluations/" + id, {}, admin()).json()["status"], "cancelled");
  const auto refused = http(port(), "POST", "/evaluations/" + id + "/pause", {}, admin());
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.json()["error"]["code"], "INVALID_TRANSITION");
  EXPECT_EQ(refused.json()["error"]["field"], "id") << "a field of the request, not a value";
  EXPECT_EQ(farm_.commands().size(), 4u);
}

TEST_F(edge_runs_test, AnswersResults) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  EXPECT_EQ(get("/results/" + to_string(run), admin()).status, 409);
  farm_.put_result(
      run,
      R"({"evaluation_id":"e","model_id":"m","task_results":[{"task_id":"t","score":0.85,"metrics":{"accuracy":0.8},"output":"long","samples":8}],
                            "summary_metrics":{"overall_score":0.83},"completed_at":"2024-01-01T12:04:30Z","execution_time":270.5})");
  farm_.change_run(run, [](run_record& record) { record.state = run_state::completed; });
  const auto brief = get("/results/" + to_string(run), admin()).json();
  EXPECT_EQ(brief["task_results"][0]["score"], 0.85);
  EXPECT_FALSE(brief["task_results"][0].contains("output"));
  EXPECT_EQ(brief["task_results"][0]["samples"], 8) << "a number is no detail";
  EXPECT_EQ(get("/results/" + to_string(run) + "?include_details=true", admin())
                .json()["task_results"][0]["output"],
            "long");
  const auto failed = farm_.put_run("admin", run_state::failed).spec.id;
  EXPECT_EQ(get("/results/" + to_string(failed), admin()).status, 404);
}

TEST_F(edge_runs_test, PagesThroughSamples) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  farm_.finish_samples(run, 0, 25);
  farm_.finish_samples(run, 25, 5, sample_status::failed);
  const auto base = "/results/" + to_string(run) + "/samples?limit=10";
  std::string next;
  size_t seen = 0;
  int pages = 0;
  do {
    const auto page = get(base + (next.empty() ? "" : "&cursor=" + next), admin()).json();
    for (const auto& item : page["items"])
      EXPECT_EQ(item["sample"], seen++);
    next = page["next_cursor"].is_null() ? "" : page["next_cursor"].get<std::string>();
    ++pages;
  } while (!next.empty() && pages < 10);
  EXPECT_EQ(seen, 30u);
  const auto failed = get(base + "&status=failed", admin()).json();
  EXPECT_EQ(failed["items"].size(), 5u);
  EXPECT_EQ(failed["items"][0]["error"], "provider_timeout");
  const auto full = get(base + "&include_answers=true", admin()).json()["items"][0];
  EXPECT_EQ(full["answer"], "42");
  EXPECT_EQ(full["task_id"], "arithmetic");
  EXPECT_EQ(full["scores"]["exact_match"]["value"], 1.0);
  for (const auto* cursor : {"x", "1-2-3", "0-0-0-0-0-99999", "0-0-0-0-0-0-0", "-1-0-0-0-0-0"})
    EXPECT_EQ(get(base + "&cursor=" + cursor, admin()).json()["error"]["field"], "cursor") << cursor;
}

TEST_F(edge_runs_test, LeavesOutOfSamplesWhatWasNotRead) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  farm_.change_run(run, [](run_record& record) { record.spec.prompt_types = {"baseline"}; });
  farm_.finish_samples(run, 0, 1);
  const auto path = "/results/" + to_string(run) + "/samples";
  const auto brief = get(path, admin()).json()["items"][0];
  EXPECT_EQ(brief["prompt_type"], "baseline");
  EXPECT_EQ(brief["task_id"], "arithmetic");
  for (const auto* key : {"answer", "simulated", "http_status", "finished_at", "finish_reason"})
    EXPECT_FALSE(brief.contains(key)) << key;
  const auto full = get(path + "?include_answers=true", admin()).json()["items"][0];
  EXPECT_EQ(full["answer"], "42");
  EXPECT_EQ(full["simulated"], false);
}

TEST_F(edge_runs_test, SaysThatThereIsNothingToRetry) {
  start();
  const auto retried = [&](run_id run) {
    const auto reply = post("/evaluations/" + to_string(run) + "/retry", "{}", admin());
    EXPECT_EQ(reply.status, 200);
    return reply.json()["message"].get<std::string>();
  };
  EXPECT_EQ(retried(farm_.put_run("admin", run_state::completed).spec.id),
            "Nothing to ask again: no sample has failed");
  const auto failed = farm_.put_run("admin", run_state::completed).spec.id;
  farm_.change_run(failed, [](run_record& record) { record.progress.failed = 2; });
  EXPECT_EQ(retried(failed), "Evaluation will ask its failed samples again");
}

TEST_F(edge_runs_test, RefusesAKeyThatIsGivenTwice) {
  start();
  const auto reply =
      post("/evaluations", R"({"model_id":"m","task_ids":["a"],"configuration":{"limit":5,"limit":5000}})",
           admin());
  EXPECT_EQ(reply.status, 422);
  EXPECT_EQ(reply.json()["error"]["field"], "configuration.limit");
  EXPECT_TRUE(farm_.submitted().empty());
}
