#include "core/monitoring/bucket_key.hpp"
#include "storage/writer.hpp"
#include "tests/server/edge_fixture.hpp"
#include "tests/server/web_socket_client.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;
using namespace std::chrono_literals;

namespace {

monitoring::alert sample_alert(uint64_t id = 1) {
  monitoring::alert out;
  out.id = id;
  out.seq = id;
  out.model = model_id{"claude-3-haiku"};
  out.provider = provider_id{"anthropic"};
  out.message = "too many errors";
  out.opened_at = noon;
  return out;
}

class edge_monitor_test : public edge_test {
protected:
  edge_monitor_test() {
    options.time.wall = [] { return noon; };
    monitoring::call_tally tally;
    for (int i = 0; i < 20; ++i) {
      monitoring::counted_call call;
      call.duration = 3500ms;
      call.cost = from_dollars(0.05);
      call.quality = 0.85;
      tally.add(call);
    }
    monitoring::monitor_view view;
    view.at = noon;
    monitoring::model_view model;
    model.model = model_id{"claude-3-haiku"};
    model.provider = provider_id{"anthropic"};
    model.windows = {summarise(tally, 60s), summarise(tally, 300s), summarise(tally, 3600s),
                     summarise(tally, 86400s)};
    view.overall = model.windows;
    view.models = {model};
    view.alerts = {sample_alert()};
    farm_.set_view(view);
  }

  http_reply put(std::string_view target, std::string_view body, std::string_view token) {
    return http(port(), "PUT", target, body, token);
  }
};

} // namespace

TEST_F(edge_monitor_test, ShowsHowKeysAreAndNeverTheKeys) {
  start();
  const auto reply = get("/monitor/keys", admin());
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto key = reply.json()["items"][0];
  EXPECT_EQ(key["provider"], "openai");
  EXPECT_EQ(key["name"], "#2");
  EXPECT_EQ(key["fingerprint"], "0123abcd");
  EXPECT_EQ(key["state"], "out");
  EXPECT_EQ(key["code"], "quota_exhausted");
  EXPECT_EQ(key["reason"], "no credit left");
  EXPECT_EQ(key["out_since"], nullptr);
  EXPECT_EQ(key["next_try"], "2024-01-02T00:00:00Z");
  EXPECT_EQ(key["today"]["day"], "2024-01-01");
  EXPECT_EQ(key["today"]["requests"], 12);
  EXPECT_EQ(key["today"]["tokens"], 3'400);
  EXPECT_EQ(key["today"]["cost"], 0.25);
  EXPECT_EQ(key["models"][0]["limits"]["requests_per_minute"]["limit"], 500);
  EXPECT_EQ(key["models"][0]["limits"]["requests_per_minute"]["source"], "provider");
  EXPECT_EQ(get("/monitor/keys").status, 401);
}

TEST_F(edge_monitor_test, ShowsWhatTheMonitorKnows) {
  start();
  const auto viewer = user("vera", "viewer");
  const auto overview = get("/monitor/overview", viewer);
  ASSERT_EQ(overview.status, 200) << overview.body;
  EXPECT_EQ(overview.json()["windows"]["5m"]["samples"], 20);
  EXPECT_DOUBLE_EQ(overview.json()["models"][0]["quality_score"].get<double>(), 0.85);
  EXPECT_EQ(overview.json()["alerts"]["open"], 1);
  EXPECT_EQ(get("/monitor/models", viewer).json()["items"][0]["rank"], 1);
  const auto model = get("/monitor/models/claude-3-haiku?range=24h", viewer).json();
  EXPECT_EQ(model["window"], "24h");
  EXPECT_EQ(model["samples"], 20);
  EXPECT_NEAR(model["response_time_avg"].get<double>(), 3.5, 1e-9);
  EXPECT_NEAR(get("/monitor/costs", viewer).json()["models"][0]["cost_efficiency"].get<double>(), 1700, 1e-6);
  EXPECT_EQ(get("/monitor/alerts?state=open", viewer).json()["total"], 1);
  EXPECT_EQ(get("/monitor/alerts?state=resolved", viewer).json()["total"], 0);
  EXPECT_EQ(get("/monitor/recommendations", viewer).json()["items"], json::array());
  EXPECT_EQ(get("/monitor/thresholds", viewer).json()["scaling_thresholds"]["response_time_high"], 8.0);
}

TEST_F(edge_monitor_test, ShowsWhatIsLeftOfTheBudgets) {
  start();
  const auto answer = get("/monitor/budgets", user("vera", "viewer"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto one = answer.json()["items"][0];
  EXPECT_EQ(one["scope"], "model_day");
  EXPECT_EQ(one["name"], "gpt-4o");
  EXPECT_EQ(one["limit"], 50.0);
  EXPECT_EQ(one["spent"], 12.5);
  EXPECT_EQ(one["left"], 37.0);
  EXPECT_EQ(one["resets_at"], "2024-01-02T00:00:00Z");
}

TEST_F(edge_monitor_test, NeedsThePermissionAndNamesWhatIsWrong) {
  start();
  EXPECT_EQ(get("/monitor/overview").status, 401);
  const auto viewer = user("vera", "viewer");
  EXPECT_EQ(get("/monitor/models/none", viewer).status, 404);
  EXPECT_EQ(get("/monitor/models?range=2h", viewer).json()["error"]["field"], "range");
  EXPECT_EQ(put("/monitor/thresholds", "{}", viewer).status, 403);
  EXPECT_EQ(post("/monitor/alerts/1/ack", "", viewer).status, 403);
  EXPECT_EQ(post("/monitor/records", R"({"model_id":"m","response_time":1,"success":true})", viewer).status,
            403);
}

TEST_F(edge_monitor_test, GivesTheReportInThreeForms) {
  start();
  EXPECT_EQ(get("/monitor/report", admin()).json()["overview"]["alerts"]["open"], 1);
  const auto markdown = get("/monitor/report?format=md", admin());
  EXPECT_EQ(markdown.header("content-type"), "text/markdown; charset=utf-8");
  EXPECT_THAT(markdown.body, HasSubstr("claude-3-haiku"));
  const auto page = get("/monitor/report?format=html", admin());
  EXPECT_THAT(page.header("content-security-policy"), HasSubstr("default-src 'none'"));
  EXPECT_THAT(page.body, HasSubstr("<td>claude-3-haiku</td>"));
}

TEST_F(edge_monitor_test, ThresholdsAreChangedByWhoMayConfigure) {
  start();
  const auto changed = put("/monitor/thresholds", R"({"error_rate_threshold":0.2})", admin());
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.json()["error_rate_threshold"], 0.2);
  EXPECT_EQ(get("/monitor/thresholds", admin()).json()["error_rate_threshold"], 0.2);
  const auto wrong = put("/monitor/thresholds", R"({"scaling_thresholds":{"error_rate_high":7}})", admin());
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(wrong.json()["error"]["field"], "scaling_thresholds.error_rate_high");
  EXPECT_EQ(put("/monitor/thresholds", R"({"nonsense":1})", admin()).status, 422);
}

TEST_F(edge_monitor_test, AnAlertIsAcknowledgedUnderTheCallersName) {
  start();
  const auto done = post("/monitor/alerts/1/ack", "", user("eva", "evaluator"));
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(done.json()["state"], "acknowledged");
  EXPECT_EQ(done.json()["acknowledged_by"], "eva");
  EXPECT_EQ(post("/monitor/alerts/2/ack", "", admin()).status, 404);
  EXPECT_EQ(post("/monitor/alerts/x/ack", "", admin()).status, 404);
}

TEST_F(edge_monitor_test, CountsCallsThatWereMadeElsewhere) {
  start();
  const auto one =
      post("/monitor/records",
           R"({"model_id":"claude-3-haiku","response_time":3.5,"success":true,"cost":0.05,"quality":0.85,
                            "timestamp":"2024-01-01T11:30:00Z","source":"notebook"})",
           admin());
  ASSERT_EQ(one.status, 200) << one.body;
  EXPECT_EQ(one.json()["recorded"], 1);
  const auto two =
      post("/monitor/records",
           R"({"records":[{"model_id":"x","response_time":1,"success":false,"error":"rate_limited"},
                                       {"model_id":"x","response_time":1,"success":false}]})",
           admin());
  EXPECT_EQ(two.json()["recorded"], 2);
  // The monitor answers behind what it was told.
  EXPECT_EQ(get("/monitor/overview", admin()).status, 200);
  const auto seen = farm_.observed();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_TRUE(seen[0].external);
  EXPECT_EQ(seen[0].provider, provider_id{"anthropic"}) << "the one that the model is configured with";
  EXPECT_EQ(seen[0].duration, 3500ms);
  EXPECT_EQ(seen[0].at, noon - 30min);
  EXPECT_EQ(seen[0].quality, 0.85);
  EXPECT_EQ(seen[1].provider, provider_id{"external"});
  EXPECT_EQ(seen[1].error, errc::rate_limited);
  EXPECT_TRUE(seen[2].error.has_value());
}

TEST_F(edge_monitor_test, AWrongRecordCountsNothingAndIsNamed) {
  start();
  const auto field = [&](const char* body) {
    const auto reply = post("/monitor/records", body, admin());
    EXPECT_EQ(reply.status, 422) << body;
    return reply.json()["error"]["field"];
  };
  EXPECT_EQ(field(R"({"model_id":"m","response_time":-1,"success":true})"), "response_time");
  EXPECT_EQ(field(R"({"model_id":"m","response_time":1,"success":"yes"})"), "success");
  EXPECT_EQ(field(R"({"model_id":"m","response_time":1,"success":true,"quality":1.5})"), "quality");
  EXPECT_EQ(field(R"({"records":[{"model_id":"m","response_time":1,"success":true},
                                 {"model_id":"m","response_time":1,"success":true,"timestamp":"2023-12-30T12:00:00Z"}]})"),
            "records[1].timestamp");
  EXPECT_EQ(field(R"({"model_id":"m","response_time":1,"success":false,"error":"tired"})"), "error");
  field(R"({"response_time":1,"success":true})");
  field(R"({"records":[]})");
  EXPECT_TRUE(farm_.observed().empty());
}

TEST_F(edge_monitor_test, TheAlertsChannelTellsThePastAndThePresent) {
  start();
  farm_.put_alert(sample_alert(1), false);
  web_socket_client socket(port(), "/ws?token=" + admin());
  socket.send(R"({"type":"subscribe","channels":["alerts"]})");
  const auto answer = socket.receive().json();
  EXPECT_EQ(answer["type"], "subscribed");
  EXPECT_EQ(answer["data"]["channel"], "alerts");
  const auto past = socket.receive().json();
  EXPECT_EQ(past["type"], "alert");
  EXPECT_EQ(past["data"]["alert_id"], "1");
  EXPECT_EQ(past["data"]["message"], "too many errors");
  farm_.put_alert(sample_alert(2));
  EXPECT_EQ(socket.receive().json()["data"]["alert_id"], "2");
  socket.send(R"({"type":"unsubscribe","channels":["alerts"]})");
  EXPECT_EQ(socket.receive().json()["data"]["channel"], "alerts");
}

TEST_F(edge_monitor_test, HistoryIsReadFromTheStore) {
  monitoring::call_tally tally;
  monitoring::counted_call call;
  call.duration = 1s;
  tally.add(call);
  const int64_t first = noon.time_since_epoch() / 15min - 96;
  for (int64_t i = 0; i < 8; ++i)
    farm_.put_statistics(
        to_string(monitoring::bucket_key{{true, first + i}, provider_id{"p"}, model_id{"old"}}),
        to_text(tally));
  start();
  EXPECT_EQ(get("/monitor/models/old", admin()).status, 404) << "nothing in the windows";
  const auto reply = get("/monitor/models/old?history_days=1", admin());
  ASSERT_EQ(reply.status, 200) << reply.body;
  ASSERT_EQ(reply.json()["history"].size(), 8u);
  EXPECT_EQ(reply.json()["history"][0]["start"], "2023-12-31T12:00:00Z");
  EXPECT_EQ(reply.json()["history"][0]["samples"], 1);
  EXPECT_EQ(reply.json()["history_complete"], true);
  const auto wide = get("/monitor/models/old?history_days=30", admin()).json()["history"];
  EXPECT_EQ(wide.size(), 1u) << "points of hours";
  EXPECT_EQ(wide[0]["samples"], 8);
}
