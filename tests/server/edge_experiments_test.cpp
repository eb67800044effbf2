#include "core/experiments/experiment.hpp"
#include "tests/server/edge_fixture.hpp"
#include "tests/server/web_socket_client.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;

/// /experiments over a fake supervisor and a real store.
class edge_experiments_test : public edge_test {
protected:
  static json plan() {
    return {{"experiment_name", "e"},
            {"models", {"a", "b"}},
            {"tasks", {"t"}},
            {"configuration", {{"limit", 2}}}};
  }

  /// Stores an experiment of two children, one of which completed.
  experiments::experiment_head put_experiment() {
    experiments::experiment what;
    what.plan = *experiments::plan_from_json(plan());
    what.requests = *experiments::expand(what.plan);
    what.children.resize(2);
    what.children[0].state = experiments::child_state::completed;
    what.children[0].samples = what.children[0].done = 2;
    what.children[0].score = 0.5;
    what.head.id = "x";
    what.head.owner = user_id{"eva"};
    what.head.plan = to_json(what.plan).dump();
    what.head.created_at = wall_time{std::chrono::seconds{1'704'110'400}};
    experiments::count(what);
    for (size_t i = 0; i < 2; ++i)
      farm_.put_document(storage::table::experiment_children, experiments::child_key(what.head, i),
                         experiments::to_stored(what.children[i]));
    farm_.put_document(storage::table::experiments, "x", experiments::to_stored(what.head));
    return what.head;
  }
};

TEST_F(edge_experiments_test, APlanIsStartedByWhoMay) {
  start();
  const auto token = user("eva", "evaluator");
  const auto reply = post("/experiments", plan().dump(), token);
  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.json()["experiment_id"], "x");
  EXPECT_EQ(reply.header("etag"), "\"3\"");
  const auto asked = farm_.experiment_questions();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].verb, experiment_verb::create);
  EXPECT_EQ(asked[0].who, user_id{"eva"});
  EXPECT_FALSE(asked[0].changes_all);
  EXPECT_EQ(json::parse(asked[0].body), plan());
  EXPECT_EQ(post("/experiments", plan().dump(), user("vic", "viewer")).status, 403);
  EXPECT_EQ(post("/experiments", plan().dump()).status, 401);
}

TEST_F(edge_experiments_test, ADryRunIsAskedForInTheBodyOrTheQuery) {
  start();
  auto body = plan();
  EXPECT_EQ(post("/experiments?dry_run=true", body.dump(), admin()).status, 200);
  body["dry_run"] = true;
  const auto reply = post("/experiments", body.dump(), admin());
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json()["total_children"], 4);
  for (const auto& one : farm_.experiment_questions())
    EXPECT_EQ(one.verb, experiment_verb::plan);
}

TEST_F(edge_experiments_test, AMistakeNamesItsFieldAndAsksNobody) {
  start();
  auto body = plan();
  body["repeats"] = 0;
  const auto reply = post("/experiments", body.dump(), admin());
  EXPECT_EQ(reply.status, 422) << reply.body;
  EXPECT_EQ(reply.json()["error"]["field"], "repeats");
  EXPECT_TRUE(farm_.experiment_questions().empty());
}

TEST_F(edge_experiments_test, ShowsProgressAsATree) {
  start();
  put_experiment();
  const auto reply = get("/experiments/x", user("eva", "evaluator"));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto body = reply.json();
  EXPECT_EQ(body["progress"], 1.0) << "two of the two samples that are known";
  EXPECT_EQ(body["models"][0]["name"], "a");
  EXPECT_EQ(body["models"][0]["task_groups"][0]["runs"][0]["state"], "completed");
  EXPECT_EQ(body["models"][1]["ended"], 0);
  EXPECT_EQ(get("/experiments/missing", admin()).status, 404);
}

TEST_F(edge_experiments_test, ReportsInEveryForm) {
  start();
  put_experiment();
  const auto report = get("/experiments/x/report", admin());
  ASSERT_EQ(report.status, 200) << report.body;
  EXPECT_EQ(report.json()["model_performance"]["a"]["average_score"], 0.5);
  EXPECT_EQ(report.json()["experiment_info"]["missing"][0]["key"], "b_tasks_default");
  const auto page = get("/experiments/x/report?format=html", admin());
  EXPECT_THAT(page.header("content-type"), HasSubstr("text/html"));
  EXPECT_THAT(page.body, HasSubstr("<h1>e</h1>"));
  EXPECT_THAT(get("/experiments/x/report?format=markdown", admin()).body, HasSubstr("# e\n"));
  EXPECT_THAT(get("/experiments/x/report?format=csv", admin()).body, HasSubstr("a_tasks_default"));
  EXPECT_NE(get("/experiments/x/report?format=pdf", admin()).status, 200);
}

TEST_F(edge_experiments_test, VerbsAndListsArePassedOn) {
  start();
  EXPECT_EQ(post("/experiments/x/pause", "", admin(), "If-Match: \"3\"\r\n").status, 200);
  EXPECT_EQ(post("/experiments/x/resume", "", admin()).status, 200);
  EXPECT_EQ(post("/experiments/x/cancel", "", admin()).status, 200);
  EXPECT_EQ(post("/experiments/x/retry", "", admin()).status, 200);
  const auto asked = farm_.experiment_questions();
  ASSERT_EQ(asked.size(), 4u);
  EXPECT_EQ(asked[0].verb, experiment_verb::pause);
  EXPECT_EQ(asked[0].version, 3u);
  EXPECT_EQ(asked[3].verb, experiment_verb::retry);
  EXPECT_TRUE(asked[3].changes_all);
  const auto failed = get("/experiments?state=failed", admin()).json();
  EXPECT_EQ(failed["total"], 1);
  EXPECT_EQ(failed["items"][0]["experiment_id"], "y");
}

TEST_F(edge_experiments_test, TellsHowItGoesOverTheWebSocket) {
  start();
  auto head = put_experiment();
  web_socket_client socket(port(), "/ws?token=" + user("eva", "evaluator"));
  ASSERT_EQ(socket.handshake.status, 101);
  socket.send(R"({"type":"subscribe","channels":["experiment:x"]})");
  const auto answer = socket.receive().json();
  EXPECT_EQ(answer["type"], "subscribed") << answer;
  const auto first = socket.receive().json();
  EXPECT_EQ(first["type"], "experiment_progress");
  EXPECT_EQ(first["data"]["experiment_id"], "x");
  EXPECT_EQ(first["data"]["ended_children"], 1);
  // As its keeper does: first the store, then who listens.
  head.changes = 9;
  head.ended_children = 2;
  farm_.put_document(storage::table::experiments, "x", experiments::to_stored(head));
  farm_.publish_raw(experiment_channel("x"), 9,
                    R"({"type":"experiment_progress","data":{"ended_children":2},"seq":9})");
  EXPECT_EQ(socket.receive_type("experiment_progress").json()["data"]["ended_children"], 2);
  web_socket_client other(port(), "/ws?token=" + user("bob", "evaluator"));
  other.send(R"({"type":"subscribe","channels":["experiment:x"]})");
  EXPECT_EQ(other.receive().json()["type"], "error") << "somebody else's";
}
