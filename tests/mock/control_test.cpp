#include "bench.hpp"

#include <gtest/gtest.h>

namespace assay::mock {

namespace {

using nlohmann::json;

const json question{{"model", "sim-strong"}, {"messages", {{{"role", "user"}, {"content", "hello"}}}}};
constexpr auto chat_path = "/v1/chat/completions";

} // namespace

TEST(mock_control, ListsCallsFromAnyNumberOn) {
  service_bench bench;
  const service_bench::header_map headers{{"authorization", "Bearer sk-test"},
                                          {"x-client-request-id", "mine-1"}};
  bench.post(chat_path, question, headers);
  bench.now += milliseconds(250);
  bench.post("/v1/messages", question, {{"anthropic-version", "2023-06-01"}});
  auto streamed = question;
  streamed["stream"] = true;
  bench.post(chat_path, streamed);
  const auto all = bench.get("/mock/calls?list=10").json();
  ASSERT_EQ(all["calls"].size(), 3);
  const auto& first = all["calls"][0];
  EXPECT_EQ(first["n"], 1);
  EXPECT_EQ(first["protocol"], "openai");
  EXPECT_EQ(first["path"], chat_path);
  EXPECT_EQ(first["key_hash"], "f3abf2a6"); // printf sk-test | sha256sum
  EXPECT_EQ(first["model"], "sim-strong");
  EXPECT_EQ(first["stream"], false);
  EXPECT_EQ(first["status"], 200);
  EXPECT_EQ(first["custom_id"], "mine-1");
  EXPECT_TRUE(first["request_id"].get<std::string>().starts_with("req_"));
  EXPECT_EQ(first["whole"], true);
  const auto& second = all["calls"][1];
  EXPECT_EQ(second["protocol"], "anthropic");
  EXPECT_EQ(second["status"], 400); // max_tokens is missing.
  EXPECT_EQ(second["received_ms"].get<double>() - first["received_ms"].get<double>(), 250);
  EXPECT_EQ(all["calls"][2]["stream"], true);
  EXPECT_EQ(all["next"], 3);
  EXPECT_EQ(all["received"], 3);
  EXPECT_EQ(bench.get("/mock/calls?list=1&after=1").json()["calls"][0]["n"], 2);
  EXPECT_FALSE(bench.get("/mock/calls").json().contains("calls"));
  EXPECT_EQ(bench.get("/mock/calls?list=x").status, 400);
}

TEST(mock_control, KeepsTheNewestCallsOnly) {
  options value;
  value.kept_calls = 2;
  service_bench bench(value);
  for (int i = 0; i < 5; ++i)
    bench.post(chat_path, question);
  const auto kept = bench.get("/mock/calls?list=10").json()["calls"];
  ASSERT_EQ(kept.size(), 2);
  EXPECT_EQ(kept[0]["n"], 4);
  EXPECT_EQ(bench.send("POST", "/mock/reset").status, 200);
  EXPECT_TRUE(bench.get("/mock/calls?list=10").json()["calls"].empty());
}

TEST(mock_control, ShowsAndChangesLimits) {
  options value;
  value.limits = {.requests_per_minute = 60};
  service_bench bench(value);
  const service_bench::header_map key{{"authorization", "Bearer sk-test"}};
  bench.post(chat_path, question, key);
  const auto shown = bench.get("/mock/limits").json();
  EXPECT_EQ(shown["algorithm"], "token bucket with continuous refill (GCRA)");
  ASSERT_EQ(shown["counters"].size(), 1);
  EXPECT_EQ(shown["counters"][0]["key_hash"], "f3abf2a6");
  EXPECT_EQ(shown["counters"][0]["requests"]["remaining"], 59);
  const auto changed = bench.send("POST", "/mock/limits",
                                  R"([{"key":"sk-test","model":"sim-strong","requests_per_minute":1}])");
  EXPECT_EQ(changed.json()["rules"][0]["requests_per_minute"], 1);
  EXPECT_EQ(changed.body.find("sk-test"), std::string::npos);
  EXPECT_EQ(bench.post(chat_path, question, key).status, 200);
  EXPECT_EQ(bench.post(chat_path, question, key).status, 429);
  EXPECT_EQ(bench.post(chat_path, question, {{"authorization", "Bearer sk-other"}}).status, 200);
  EXPECT_EQ(bench.get("/mock/limits").json()["counters"].size(), 2);
  const auto refused = bench.send("POST", "/mock/limits", R"([{"rpm":1}])");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.json()["error"]["param"], "limits[0].rpm");
  bench.send("POST", "/mock/reset");
  EXPECT_TRUE(bench.get("/mock/limits").json()["rules"].empty());
}

TEST(mock_control, KnowsItsPaths) {
  service_bench bench;
  EXPECT_EQ(bench.get("/mock/nothing").status, 404);
  EXPECT_EQ(bench.get("/mock/reset").status, 405);
  EXPECT_EQ(bench.send("DELETE", "/mock/limits").status, 405);
  EXPECT_EQ(bench.get("/health").json()["simulated"], true);
}

TEST(mock_control, LimitsHoldForEveryProtocolTogether) {
  options value;
  value.limits = {.requests_per_minute = 1};
  service_bench bench(value);
  EXPECT_EQ(bench.post(chat_path, question, {{"authorization", "Bearer k"}}).status, 200);
  const auto gemini = bench.post("/v1beta/models/sim-strong:generateContent",
                                 {{"contents", {{{"parts", {{{"text", "x"}}}}}}}}, {{"x-goog-api-key", "k"}});
  EXPECT_EQ(gemini.status, 429);
}

} // namespace assay::mock
