#include "cli/monitor_screen.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const json overview =
    json::parse(R"({"timestamp":"2024-01-01T12:00:00Z","monitoring_enabled":true,"complete":true,
  "windows":{"1m":{"samples":1200,"success_rate":0.995,"response_time_avg":1.5,"response_time_p50":1.2,
    "response_time_p95":3.25,"response_time_p99":9,"prompt_tokens":10000,"completion_tokens":500,"cost":0.5,
    "cost_per_hour":30,"quality_score":0.85},
  "1h":{"samples":1200,"cost":2.5}},
  "alerts":{"open":1,"acknowledged":0}})");
const json models =
    json::parse(R"({"window":"5m","items":[{"model_id":"m\u001b[2J","provider":"p","score":77.5,"samples":20,
  "success_rate":1.0,"response_time_avg":1.0,"response_time_p95":2.0,"cost":0.1,"quality_score":null,"cost_efficiency":1700}]})");
const json alerts =
    json::parse(R"({"items":[{"alert_id":"7","state":"open","message":"error rate of m was high"},
  {"alert_id":"6","state":"resolved","message":"long ago"}]})");
const json advice =
    json::parse(R"({"items":[{"action":"add_key","model_id":"m","reason":"limits are used up"}]})");

const json retries = json::parse(
    R"({"providers":[{"provider":"p","answered_after_retry":12,"given_up":3},{"provider":"quiet","answered_after_retry":0,"given_up":0}],
  "advice":[{"action":"longer_wait","error":"provider_unavailable","provider":"p","reason":"it helps"}]})");

TEST(monitor_screen, ShowsWhatRetriesBroughtAndWhoDoesNotAnswer) {
  auto more = overview;
  more["providers"] = json::parse(
      R"([{"provider":"down","healthy":false,"reason":"refused"},{"provider":"up","healthy":true}])");
  more["scaled"] = json::parse(R"([{"provider":"p","model_id":"m","share":0.5,"reason":"too slow"}])");
  const auto shown = render_monitor({more, models, alerts, advice, retries}, {});
  for (const auto* part :
       {"12 answered after a retry, 3 given up", "longer_wait after provider_unavailable at p: it helps",
        "down  refused", "50.0 % of its calls in flight: too slow"})
    EXPECT_THAT(shown, HasSubstr(part));
  EXPECT_THAT(shown, Not(HasSubstr("quiet")));
}

TEST(monitor_screen, ShowsWindowsModelsAlertsAndAdvice) {
  const auto shown = render_monitor({overview, models, alerts, advice, retries}, {});
  for (const auto* part :
       {"1,200", "99.5 %", "3.25 s", "10,500", "77.5", "1700", "#7 open", "add_key m: limits"})
    EXPECT_THAT(shown, HasSubstr(part));
  EXPECT_THAT(shown, Not(HasSubstr("long ago")));
}

TEST(monitor_screen, ShowsKeysThatAreUsedOrNotGood) {
  const auto keys = json::parse(R"({"items":[
    {"provider":"p","name":"idle","state":"good","today":{"requests":0,"tokens":0,"cost":0}},
    {"provider":"p","name":"busy","state":"good","today":{"requests":1234,"tokens":56789,"cost":1.5}},
    {"provider":"p","name":"poor","state":"out","reason":"no credit left","next_try":"2024-01-01T13:00:00Z",
     "today":{"requests":0,"tokens":0,"cost":0}}]})");
  const auto shown = render_monitor({overview, models, alerts, advice, retries, &keys}, {});
  for (const auto* part : {"p/busy", "1,234", "56,789", "$1.5", "p/poor", "no credit left", "13:00:00Z"})
    EXPECT_THAT(shown, HasSubstr(part));
  EXPECT_THAT(shown, Not(HasSubstr("p/idle")));
}

TEST(monitor_screen, NamesCannotSteerTheTerminal) {
  EXPECT_THAT(render_monitor({overview, models, alerts, advice, retries}, {}), Not(HasSubstr("\x1b")));
}

TEST(monitor_screen, AnswersOfAnotherVersionAreNoReasonToFail) {
  const json none;
  const json odd = json::parse(R"({"items":[{}],"windows":[],"alerts":7})");
  EXPECT_THAT(render_monitor({none, none, none, none, none}, {}), HasSubstr("no calls"));
  EXPECT_THAT(render_monitor({odd, odd, odd, odd, odd}, {true, true, 40}), HasSubstr("-"));
  EXPECT_THAT(render_monitor_line({none, none, none, none, none}), HasSubstr("calls_1m=-"));
}

TEST(monitor_screen, APipeGetsOneLine) {
  EXPECT_EQ(
      render_monitor_line({overview, models, alerts, advice, retries}),
      "2024-01-01T12:00:00Z calls_1m=1,200 success_1m=99.5 % p95_1m=3.25 s cost_1h=$2.5000 alerts_open=1");
}

} // namespace
} // namespace assay::cli
