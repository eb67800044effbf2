#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

namespace {

const char* const haiku =
    R"({"model_id":"haiku-cold","model_type":"anthropic_claude","model":"claude-3-haiku","temperature":0.7,
        "max_tokens":2048,"task_optimizations":{"bug_fix":{"temperature":0.1}}})";

class edge_model_configs_test : public edge_test {
protected:
  edge_model_configs_test() {
    options.time.wall = [] { return noon; };
  }

  http_reply put(std::string_view target, std::string_view body, std::string_view token,
                 std::string_view headers = {}) {
    return http(port(), "PUT", target, body, token, headers);
  }
  http_reply erase(std::string_view target, std::string_view token, std::string_view headers = {}) {
    return http(port(), "DELETE", target, {}, token, headers);
  }

  /// A completed run that has asked tasks of type bug_fix with this temperature.
  void finished(const std::string& owner, double temperature, double score, int samples = 50) {
    const auto record = farm_.put_run(owner, run_state::completed);
    farm_.change_run(record.spec.id, [&](run_record& run) {
      run.spec.model = model_id{"haiku-cold"};
      auto& task = run.spec.tasks.front();
      task.definition = "id: arithmetic\ntask_type: bug_fix\nprompt: hi\n";
      task.generation.temperature = temperature;
    });
    const json task{{"task_id", "arithmetic"},
                    {"score", score},
                    {"n", samples},
                    {"cost", 0.5},
                    {"usage", {{"completion_tokens", samples * 100}}}};
    farm_.put_result(record.spec.id, json{{"task_results", {task}}}.dump());
  }
};

} // namespace

TEST_F(edge_model_configs_test, AreStoredShownChangedAndDeleted) {
  start();
  const auto made = post("/model-configs", haiku, admin());
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.header("etag"), "\"1\"");
  EXPECT_EQ(made.header("location"), "/model-configs/haiku-cold");
  EXPECT_EQ(made.json()["version"], 1);
  EXPECT_EQ(made.json()["created_by"], "admin");
  EXPECT_EQ(made.json()["created_at"], "2024-01-01T12:00:00Z");
  EXPECT_EQ(made.json()["configuration"]["task_optimizations"]["bug_fix"]["temperature"], 0.1);

  const auto viewer = user("vera", "viewer");
  EXPECT_EQ(get("/model-configs", viewer).json()["total"], 1);
  EXPECT_EQ(get("/model-configs/haiku-cold", viewer).json()["configuration"]["max_tokens"], 2048);

  const auto changed =
      put("/model-configs/haiku-cold",
          R"({"configuration":{"model_type":"anthropic_claude"},"temperature":0.2})", admin());
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.json()["version"], 2);
  EXPECT_EQ(changed.json()["configuration"],
            json::parse(R"({"model_type":"anthropic_claude","temperature":0.2})"));
  EXPECT_EQ(get("/model-configs/haiku-cold?version=1", viewer).json()["configuration"]["temperature"], 0.7);

  EXPECT_EQ(erase("/model-configs/haiku-cold", admin()).json()["version"], 3);
  EXPECT_EQ(get("/model-configs/haiku-cold", viewer).status, 404);
  EXPECT_EQ(get("/model-configs", viewer).json()["total"], 0);
  EXPECT_EQ(erase("/model-configs/haiku-cold", admin()).status, 404);
}

TEST_F(edge_model_configs_test, HistoryTellsWhoWhenAndWhat) {
  start();
  ASSERT_EQ(post("/model-configs", haiku, admin()).status, 201);
  ASSERT_EQ(
      put("/model-configs/haiku-cold", R"({"model_type":"anthropic_claude","temperature":0.2})", admin())
          .status,
      200);
  ASSERT_EQ(erase("/model-configs/haiku-cold", admin()).status, 200);
  const auto all = get("/model-configs/haiku-cold/history", admin()).json();
  EXPECT_EQ(all["total"], 3);
  ASSERT_EQ(all["items"].size(), 3U) << all;
  EXPECT_EQ(all["items"][0]["action"], "deleted");
  EXPECT_EQ(all["items"][1]["action"], "updated");
  EXPECT_EQ(all["items"][1]["by"], "admin");
  EXPECT_THAT(all["items"][1]["changes"].dump(),
              HasSubstr(R"({"after":0.2,"before":0.7,"field":"temperature"})"));
  EXPECT_EQ(all["items"][2]["action"], "created");
  const auto page = get("/model-configs/haiku-cold/history?limit=1&before=3", admin()).json();
  EXPECT_EQ(page["items"][0]["version"], 2);
  EXPECT_EQ(page["next_before"], 2);
  EXPECT_EQ(get("/model-configs/other/history", admin()).status, 404);
}

TEST_F(edge_model_configs_test, AStaleChangeIsRefusedWithBothVersions) {
  start();
  ASSERT_EQ(post("/model-configs", haiku, admin()).status, 201);
  const char* const body = R"({"model_type":"anthropic_claude","temperature":0.5})";
  ASSERT_EQ(put("/model-configs/haiku-cold", body, admin(), "If-Match: \"1\"\r\n").status, 200);
  const auto late = put("/model-configs/haiku-cold", haiku, admin(), "If-Match: \"1\"\r\n");
  EXPECT_EQ(late.status, 409) << late.body;
  EXPECT_EQ(late.json()["error"]["field"], "If-Match");
  EXPECT_THAT(late.json()["error"]["message"], HasSubstr("version 2"));
  EXPECT_THAT(late.json()["error"]["message"], HasSubstr("version 1"));
  EXPECT_EQ(erase("/model-configs/haiku-cold", admin(), "If-Match: \"1\"\r\n").status, 409);
  EXPECT_EQ(put("/model-configs/haiku-cold", haiku, admin(), "If-Match: new\r\n").json()["error"]["field"],
            "If-Match");
  // The same once more is no new version.
  EXPECT_EQ(put("/model-configs/haiku-cold", body, admin()).json()["version"], 2);
}

TEST_F(edge_model_configs_test, WrongInputIsNamedAndStoresNothing) {
  start();
  const auto refused = [&](const char* body) { return post("/model-configs", body, admin()); };
  const auto field = [&](const char* body) { return refused(body).json()["error"]["field"]; };
  EXPECT_EQ(field(R"({"temperature":0.1})"), "model_id");
  EXPECT_EQ(field(R"({"model_id":"a/b"})"), "model_id");
  EXPECT_EQ(field(R"({"model_id":"export"})"), "model_id");
  EXPECT_EQ(field(R"({"model_id":"a","temperature":7})"), "temperature");
  EXPECT_EQ(field(R"({"model_id":"a","task_optimizations":{"bug_fix":{"top_p":7}}})"),
            "task_optimizations.bug_fix.top_p");
  EXPECT_EQ(field(R"({"model_id":"a","tempreature":0.1})"), "tempreature");
  EXPECT_EQ(field(R"({"model_id":"a","configuration":7})"), "configuration");
  const auto key = refused(R"({"model_id":"a","model_type":"openai_gpt","api_key":"sk-proj-very-secret"})");
  EXPECT_EQ(key.status, 422);
  EXPECT_EQ(key.json()["error"]["field"], "api_key");
  EXPECT_THAT(key.body, HasSubstr("assay keys"));
  EXPECT_THAT(key.body, Not(HasSubstr("very-secret")));
  EXPECT_THAT(logged(), Not(HasSubstr("very-secret")));
  EXPECT_EQ(get("/model-configs", admin()).json()["total"], 0);
  ASSERT_EQ(post("/model-configs", haiku, admin()).status, 201);
  EXPECT_EQ(post("/model-configs", haiku, admin()).status, 409) << "it is there already";
  EXPECT_EQ(put("/model-configs/other", haiku, admin()).json()["error"]["field"], "model_id");
}

TEST_F(edge_model_configs_test, TheFarmHasTheLastWord) {
  std::vector<std::string> asked;
  options.check_model_configuration =
      [&asked](const std::string& id, const std::string& configuration) -> result<std::vector<std::string>> {
    asked.push_back(id + configuration);
    if (json::parse(configuration).contains("base_url"))
      return fault{errc::unsupported, "10.0.0.7 is a private address", "base_url", {}};
    return std::vector<std::string>{"no price is known, so its cost will be unknown"};
  };
  start();
  const auto made = post("/model-configs", haiku, admin());
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json()["notes"], json::array({"no price is known, so its cost will be unknown"}));
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_THAT(asked[0], HasSubstr("haiku-cold{"));
  const auto refused = put("/model-configs/haiku-cold",
                           R"({"model_type":"openai_gpt","base_url":"http://10.0.0.7/v1"})", admin());
  EXPECT_EQ(refused.status, 422) << refused.body;
  EXPECT_EQ(refused.json()["error"]["field"], "base_url");
  EXPECT_EQ(get("/model-configs/haiku-cold", admin()).json()["version"], 1);
}

TEST_F(edge_model_configs_test, OnlyWhoMayConfigureChanges) {
  start();
  ASSERT_EQ(post("/model-configs", haiku, admin()).status, 201);
  EXPECT_EQ(get("/model-configs").status, 401);
  const auto evaluator = user("eve", "evaluator");
  EXPECT_EQ(post("/model-configs", haiku, evaluator).status, 403);
  EXPECT_EQ(put("/model-configs/haiku-cold", haiku, evaluator).status, 403);
  EXPECT_EQ(erase("/model-configs/haiku-cold", evaluator).status, 403);
  EXPECT_EQ(post("/model-configs/import", R"({"yaml":"models: {a: {}}"})", evaluator).status, 403);
  EXPECT_EQ(get("/model-configs/haiku-cold", evaluator).status, 200);
}

TEST_F(edge_model_configs_test, FilesGoInAndOut) {
  start();
  const char* const text = "models:\n  claude-3-haiku:\n    model_type: \"anthropic_claude\"\n"
                           "    api_key: \"${ANTHROPIC_API_KEY}\"\n    temperature: 0.7\n"
                           "  deepseek-coder:\n    model_type: deepseek\n    max_tokens: 2048\n";
  const auto dry = post("/model-configs/import", json{{"yaml", text}, {"dry_run", true}}.dump(), admin());
  ASSERT_EQ(dry.status, 200) << dry.body;
  EXPECT_EQ(dry.json()["created"], json::array({"claude-3-haiku", "deepseek-coder"}));
  EXPECT_EQ(get("/model-configs", admin()).json()["total"], 0);
  const auto done = post("/model-configs/import", json{{"yaml", text}}.dump(), admin());
  EXPECT_EQ(done.json()["created"].size(), 2U) << done.body;
  EXPECT_THAT(done.json()["notes"].dump(), HasSubstr("claude-3-haiku: api_key"));
  const auto out = get("/model-configs/export", admin());
  EXPECT_EQ(out.status, 200);
  EXPECT_THAT(out.header("content-type"), HasSubstr("application/yaml"));
  const auto again = post("/model-configs/import", json{{"yaml", out.body}}.dump(), admin());
  EXPECT_EQ(again.json()["unchanged"].size(), 2U) << again.body << out.body;
  EXPECT_THAT(get("/model-configs/export?model_id=deepseek-coder", admin()).body, Not(HasSubstr("claude")));
  EXPECT_EQ(get("/model-configs/export?model_id=none", admin()).status, 404);

  const auto wrong =
      post("/model-configs/import",
           json{{"yaml", "models:\n  good: {model_type: deepseek}\n  bad:\n    temperature: 9\n"}}.dump(),
           admin());
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(wrong.json()["error"]["field"], "yaml:4 models.bad.temperature");
  EXPECT_EQ(get("/model-configs/good", admin()).status, 404) << "all or none";
}

TEST_F(edge_model_configs_test, OptimizedSaysWhereEachValueComesFrom) {
  start();
  ASSERT_EQ(post("/model-configs", haiku, admin()).status, 201);
  const auto plain =
      get("/model-configs/haiku-cold/optimized?task_type=bug_fix&strategy=quality", admin()).json();
  EXPECT_EQ(plain["configuration"]["temperature"], 0.1);
  EXPECT_EQ(plain["values"]["temperature"]["source"], "task_optimizations");
  EXPECT_EQ(plain["evidence"], false);
  EXPECT_EQ(plain["version"], 1);

  finished("admin", 0.3, 0.9);
  finished("eve", 0.8, 0.6);
  const auto shown =
      get("/model-configs/haiku-cold/optimized?task_type=bug_fix&strategy=QUALITY", admin()).json();
  EXPECT_EQ(shown["configuration"]["temperature"], 0.3) << shown;
  EXPECT_EQ(shown["values"]["temperature"]["source"], "past_results");
  EXPECT_EQ(shown["values"]["temperature"]["evidence"]["samples"], 50);
  EXPECT_EQ(shown["candidates"].size(), 2U);
  EXPECT_EQ(get("/model-configs/haiku-cold/optimized?task_type=translation", admin()).json()["candidates"],
            json::array())
      << "other types of task say nothing";
  // Whoever does not see others' runs learns nothing from them.
  EXPECT_EQ(get("/model-configs/haiku-cold/optimized?task_type=bug_fix", user("eve", "evaluator"))
                .json()["candidates"]
                .size(),
            1U);
}

TEST_F(edge_model_configs_test, OptimizedLooksAtTheMonitor) {
  monitoring::call_tally tally;
  for (int i = 0; i < 40; ++i) {
    monitoring::counted_call call;
    call.duration = 4000ms;
    tally.add(call);
  }
  monitoring::monitor_view view;
  view.at = noon;
  monitoring::model_view model;
  model.model = model_id{"haiku-cold"};
  model.provider = provider_id{"anthropic"};
  model.windows = {summarise(tally, 60s), summarise(tally, 300s), summarise(tally, 3600s),
                   summarise(tally, 86400s)};
  view.models = {model};
  farm_.set_view(view);
  start();
  ASSERT_EQ(post("/model-configs", haiku, admin()).status, 201);
  const auto shown =
      get("/model-configs/haiku-cold/optimized?task_type=bug_fix&strategy=latency", admin()).json();
  EXPECT_EQ(shown["observed"]["samples"], 40) << shown;
  EXPECT_EQ(shown["observed"]["window"], "24h");
  EXPECT_EQ(shown["values"]["timeout"]["source"], "monitor");
  EXPECT_GE(shown["configuration"]["timeout"].get<double>(), 12.0);
}

TEST_F(edge_model_configs_test, OptimizedKnowsModelsThatAreNotStored) {
  start();
  const auto known = get("/model-configs/claude-3-haiku/optimized?task_type=bug_fix", admin());
  ASSERT_EQ(known.status, 200) << known.body;
  EXPECT_EQ(known.json()["source"], "farm");
  EXPECT_EQ(known.json()["version"], nullptr);
  EXPECT_EQ(get("/model-configs/none/optimized?task_type=bug_fix", admin()).status, 404);
  EXPECT_EQ(get("/model-configs/claude-3-haiku/optimized", admin()).json()["error"]["field"], "task_type");
  EXPECT_EQ(get("/model-configs/claude-3-haiku/optimized?task_type=a&strategy=best", admin())
                .json()["error"]["field"],
            "strategy");
}
