#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;
using namespace std::chrono_literals;

namespace {

model_profile profile(const std::string& name, double price, uint32_t window) {
  model_profile out;
  out.id = model_id{name};
  out.provider = provider_id{"p"};
  out.prices = token_prices{price, price, {}};
  out.context_window = window;
  return out;
}

monitoring::model_view seen(const std::string& name, milliseconds time, int failures) {
  monitoring::call_tally tally;
  for (int i = 0; i < 20; ++i) {
    monitoring::counted_call call;
    call.duration = time;
    if (i < failures)
      call.error = errc::provider_unavailable;
    tally.add(call);
  }
  monitoring::model_view out;
  out.model = model_id{name};
  out.provider = provider_id{"p"};
  out.windows = {summarise(tally, 60s), summarise(tally, 300s), summarise(tally, 3600s),
                 summarise(tally, 86400s)};
  return out;
}

class edge_routing_test : public edge_test {
protected:
  edge_routing_test() {
    options.time.wall = [] { return noon; };
    monitoring::route_view route;
    route.route = model_id{"either"};
    route.targets = {{provider_id{"p"}, model_id{"strong"}, 1, 1, 0.9, 2.5, 0.99, 0.01, 3, true, ""},
                     {provider_id{"p"}, model_id{"weak"}, 1, 1, 0.4, std::nullopt, std::nullopt, std::nullopt,
                      0, false, "does not answer"}};
    farm_.set_routing({{route}, route.targets});
    monitoring::monitor_view view;
    view.at = noon;
    view.models = {seen("strong", 4000ms, 0), seen("quick", 200ms, 1)};
    view.health = {{provider_id{"p"}, false, "refused", 12ms, noon}};
    view.scaled = {{provider_id{"p"}, model_id{"quick"}, 0.5, "too slow", noon}};
    farm_.set_view(view);
    auto all = std::make_shared<catalogue>();
    all->models = {profile("strong", 10, 100'000), profile("weak", 0.1, 100'000), profile("quick", 1, 4'000)};
    all->models[2].supported_tasks = {"grading"};
    auto route_model = profile("either", 10, 100'000);
    route_model.route.models = {{model_id{"strong"}, provider_id{"p"}, "s", std::nullopt, 1, std::nullopt}};
    all->models.push_back(route_model);
    options.current_catalogue = [all] { return all; };
  }

  http_reply put(std::string_view body, std::string_view token) {
    return http(port(), "PUT", "/monitor/routing", body, token);
  }
};

} // namespace

TEST_F(edge_routing_test, ShowsRoutesAndWhatWasLearnt) {
  start();
  const auto reply = get("/monitor/routing", user("vera", "viewer"));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto shown = reply.json()["routes"][0];
  EXPECT_EQ(shown["route"], "either");
  EXPECT_EQ(shown["strategy"], "in_order");
  EXPECT_EQ(shown["changed"], false);
  EXPECT_EQ(shown["targets"][0]["response_time"], 2.5);
  EXPECT_EQ(shown["targets"][0]["in_use"], 3);
  EXPECT_EQ(shown["targets"][1]["available"], false);
  EXPECT_EQ(shown["targets"][1]["reason"], "does not answer");
  EXPECT_EQ(shown["targets"][1]["success_rate"], nullptr);
  EXPECT_EQ(get("/monitor/routing?route=either", admin()).json()["routes"].size(), 1u);
  EXPECT_EQ(get("/monitor/routing?route=other", admin()).status, 404);
}

TEST_F(edge_routing_test, AnAdministratorChangesARoute) {
  start();
  const auto reply =
      put(R"({"route":"either","strategy":"WEIGHTED_RANDOM","weights":{"p/strong":3,"weak":1}})", admin());
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json()["strategy"], "weighted_random");
  EXPECT_EQ(reply.json()["changed_by"], "admin");
  const auto changes = farm_.routing_changes();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].strategy, route_strategy::weighted_random);
  EXPECT_EQ(changes[0].weights,
            (std::vector<std::pair<std::string, uint32_t>>{{"p/strong", 3}, {"weak", 1}}));
  EXPECT_FALSE(changes[0].reset);
  EXPECT_EQ(put(R"({"route":"either","reset":true})", admin()).status, 200);
  EXPECT_TRUE(farm_.routing_changes().at(1).reset);
}

TEST_F(edge_routing_test, ChangesNeedThePermissionAndMakeSense) {
  start();
  EXPECT_EQ(put(R"({"route":"either","strategy":"in_order"})", user("eve", "evaluator")).status, 403);
  EXPECT_EQ(put(R"({"route":"either","strategy":"by_magic"})", admin()).json()["error"]["field"], "strategy");
  EXPECT_EQ(put(R"({"route":"either"})", admin()).status, 422);
  EXPECT_EQ(put(R"({"strategy":"in_order"})", admin()).status, 422);
  EXPECT_EQ(put(R"({"route":"either","weights":{"p/strong":0}})", admin()).status, 422);
  EXPECT_EQ(put(R"({"route":"either","weight":{}})", admin()).status, 422);
  EXPECT_EQ(put(R"({"route":"other","strategy":"in_order"})", admin()).status, 404);
}

TEST_F(edge_routing_test, ShowsRetriesHealthAndScaling) {
  start();
  const auto retries = get("/monitor/retries", admin());
  ASSERT_EQ(retries.status, 200) << retries.body;
  EXPECT_TRUE(retries.json()["advice"].is_array());
  EXPECT_EQ(get("/monitor/retries").status, 401);
  const auto overview = get("/monitor/overview", admin()).json();
  EXPECT_EQ(overview["providers"][0]["healthy"], false);
  EXPECT_EQ(overview["providers"][0]["reason"], "refused");
  EXPECT_EQ(overview["scaled"][0]["share"], 0.5);
  EXPECT_EQ(get("/health", admin()).json()["providers"]["p"], "unavailable");
  EXPECT_FALSE(get("/health").json().contains("providers")) << "nobody's business without a token";
}

TEST_F(edge_routing_test, SelectsAModelWithReasonsAndAlternatives) {
  start();
  const auto viewer = user("vera", "viewer");
  const auto fast =
      post("/llm_api/select", R"({"task_type":"grading","content_size":1000,"priority":"speed"})", viewer);
  ASSERT_EQ(fast.status, 200) << fast.body;
  EXPECT_EQ(fast.json()["model"], "quick");
  EXPECT_EQ(fast.json()["model_id"], "quick");
  EXPECT_FALSE(fast.json()["reasons"].empty());
  EXPECT_EQ(fast.json()["samples"], 20);
  ASSERT_EQ(fast.json()["alternatives"].size(), 1u)
      << "the route's own models are candidates, the route is none";
  EXPECT_EQ(fast.json()["alternatives"][0]["model"], "strong");
  ASSERT_EQ(fast.json()["excluded"].size(), 1u);
  EXPECT_EQ(fast.json()["excluded"][0]["reason"], "does not answer");

  const auto large =
      post("/llm_api/select", R"({"content_size":50000,"requirements":{"max_cost":1}})", viewer);
  EXPECT_EQ(large.json()["model"], "strong");
  EXPECT_NEAR(large.json()["estimated_cost"].get<double>(), 0.5, 1e-9);
}

TEST_F(edge_routing_test, ChoosesAModelForQuestionsThatLeaveItToTheFarm) {
  start();
  ASSERT_EQ(post("/llm_api/invoke", R"({"prompt":"hi","model":"auto:speed"})", admin()).status, 200);
  EXPECT_EQ(farm_.questions().at(0).model, "quick");
  const std::string text(40'000, 'x');
  ASSERT_EQ(post("/v1/chat/completions",
                 R"({"model":"auto:speed","messages":[{"role":"user","content":")" + text + R"("}]})",
                 admin())
                .status,
            200);
  EXPECT_EQ(farm_.questions().at(1).model, "strong") << "the other's context window is too small";
  const auto wrong = post("/llm_api/invoke", R"({"prompt":"hi","model":"auto:beauty"})", admin());
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, HasSubstr("auto:cost"));
  ASSERT_EQ(post("/llm_api/invoke", R"({"prompt":"hi","model":"autopilot"})", admin()).status, 200);
  EXPECT_EQ(farm_.questions().at(2).model, "autopilot") << "a name like any other";
}

TEST_F(edge_routing_test, ChoosesTheModelOfARunOnceAndSaysWhy) {
  start();
  const auto reply = post("/evaluations", R"({"model_id":"auto:speed","task_ids":["a"]})", admin());
  ASSERT_EQ(reply.status, 201) << reply.body;
  const auto asked = farm_.submitted().at(0).request;
  EXPECT_EQ(asked.model.value, "quick");
  EXPECT_THAT(asked.model_choice, HasSubstr("by speed"));
  EXPECT_THAT(reply.body, HasSubstr("quick of p"));
  const auto keyed =
      post("/evaluations", R"({"model_id":"auto","task_ids":["a"]})", admin(), "Idempotency-Key: k1\r\n");
  EXPECT_EQ(keyed.status, 422) << keyed.body;
  EXPECT_THAT(keyed.body, HasSubstr("idempotency key"));
}

TEST_F(edge_routing_test, PutsSimulatedModelsAndThoseWithoutAKeyLast) {
  auto all = std::make_shared<catalogue>(*options.current_catalogue());
  all->models = {profile("free", 0, 100'000), profile("keyless", 1, 100'000), profile("real", 5, 100'000)};
  all->models[0].simulated = true;
  all->models[1].provider = provider_id{"closed"};
  provider_summary closed;
  closed.id = provider_id{"closed"};
  all->providers = {closed};
  options.current_catalogue = [all] { return all; };
  start();
  ASSERT_EQ(post("/llm_api/invoke", R"({"prompt":"hi","model":"auto:cost"})", admin()).status, 200);
  EXPECT_EQ(farm_.questions().at(0).model, "real");
}

TEST_F(edge_routing_test, SaysWhyNoModelWillDo) {
  start();
  const auto reply = post("/llm_api/select", R"({"content_size":500000})", admin());
  EXPECT_EQ(reply.status, 404);
  EXPECT_THAT(reply.body, HasSubstr("context window"));
  EXPECT_EQ(post("/llm_api/select", R"({"priority":"beauty"})", admin()).json()["error"]["field"],
            "priority");
  EXPECT_EQ(post("/llm_api/select", R"({"content_size":-1})", admin()).status, 422);
  EXPECT_EQ(post("/llm_api/select", "{}").status, 401);
}
