#include "bench.hpp"

#include <gtest/gtest.h>

namespace assay::mock {

namespace {

using nlohmann::json;

const json question{{"model", "sim-p100"}, {"messages", {{{"role", "user"}, {"content", "2+2?"}}}}};

json streamed() {
  auto body = question;
  body["stream"] = true;
  return body;
}

constexpr auto azure = "/openai/deployments/sim-p100/chat/completions?api-version=2024-10-21";
constexpr auto openrouter = "/openrouter/api/v1/chat/completions";
constexpr auto deepseek = "/deepseek/chat/completions";
constexpr auto dashscope = "/compatible-mode/v1/chat/completions";

options with_key() {
  options value;
  value.keys = {secret("good-key-1234")};
  return value;
}

} // namespace

TEST(mock_azure, TakesTheDeploymentFromThePathAndAddsItsFilters) {
  service_bench bench({}, small_sums());
  auto body = question;
  body["model"] = "ignored";
  const auto answer = bench.post(azure, body);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json()["model"], "sim-p100");
  EXPECT_EQ(answer.json()["choices"][0]["message"]["content"], "The answer is 4.");
  EXPECT_EQ(answer.json()["choices"][0]["content_filter_results"]["hate"]["severity"], "safe");
  EXPECT_EQ(answer.json()["prompt_filter_results"][0]["prompt_index"], 0);
  EXPECT_EQ(answer.header("x-request-id").size(), 36);
  EXPECT_EQ(bench.post("/openai/v1/chat/completions", question).status, 200);
  EXPECT_EQ(
      bench.post("/openai/deployments/sim-p100/embeddings?api-version=2024-10-21", {{"input", "x"}}).status,
      200);
}

TEST(mock_azure, DemandsAVersionOnTheClassicPathsOnly) {
  service_bench bench;
  const auto answer = bench.post("/openai/deployments/sim-p100/chat/completions", question);
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.json()["error"]["code"], "404");
  EXPECT_EQ(bench.post("/openai/deployments/nobody/chat/completions?api-version=1", question)
                .json()["error"]["code"],
            "DeploymentNotFound");
}

TEST(mock_azure, TakesItsOwnKeyHeaderOrABearer) {
  service_bench bench(with_key());
  EXPECT_EQ(bench.post(azure, question, {{"api-key", "good-key-1234"}}).status, 200);
  EXPECT_EQ(bench.post(azure, question, {{"authorization", "Bearer good-key-1234"}}).status, 200);
  const auto refused = bench.post(azure, question, {{"x-api-key", "good-key-1234"}});
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.json()["error"]["code"], "401");
}

TEST(mock_azure, TellsItsLimitsInWholeSeconds) {
  options value;
  value.limits = {.requests_per_minute = 60, .tokens_per_minute = 6000};
  service_bench bench(value);
  const auto answer = bench.post(azure, question);
  EXPECT_EQ(answer.header("x-ratelimit-limit-requests"), "60");
  EXPECT_EQ(answer.header("x-ratelimit-reset-requests"), "1");
  EXPECT_EQ(answer.header("x-ratelimit-renewalperiod-requests"), "60");
  for (int i = 0; i < 59; ++i)
    bench.post(azure, question);
  const auto refused = bench.post(azure, question);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json()["error"]["code"], "429");
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_EQ(refused.header("retry-after-ms"), "1000");
  EXPECT_EQ(refused.header("x-ratelimit-type"), "Requests");
}

TEST(mock_azure, BeginsAStreamWithAFrameWithoutChoicesAndBlocksPrompts) {
  service_bench bench({}, small_sums());
  const auto events = events_of(bench.post(azure, streamed()).body);
  EXPECT_TRUE(events.front().json()["choices"].empty());
  EXPECT_TRUE(events.front().json().contains("prompt_filter_results"));
  EXPECT_EQ(events.back().data, "[DONE]");
  service_bench filtered(struck_by(R"([{"kind":"content_filter"}])"));
  const auto answer = filtered.post(azure, question);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.json()["error"]["code"], "content_filter");
  EXPECT_EQ(answer.json()["error"]["innererror"]["code"], "ResponsibleAIPolicyViolation");
  EXPECT_EQ(answer.json()["error"]["innererror"]["content_filter_result"]["violence"]["filtered"], true);
}

TEST(mock_openrouter, AddsProviderCostAndNativeFinish) {
  service_bench bench({}, small_sums());
  auto body = question;
  body["model"] = "vendor/sim-p100:free";
  const auto answer = bench.post(openrouter, body);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(answer.json()["id"].get<std::string>().starts_with("gen-"));
  EXPECT_EQ(answer.header("x-generation-id"), answer.json()["id"]);
  EXPECT_EQ(answer.json()["provider"], "Simulated");
  EXPECT_EQ(answer.json()["choices"][0]["native_finish_reason"], "end_turn");
  EXPECT_DOUBLE_EQ(answer.json()["usage"]["cost"], 11e-6);
}

TEST(mock_openrouter, StreamsWithCommentsAndAlwaysTellsUsage) {
  service_bench bench({}, small_sums());
  const auto answer = bench.post(openrouter, streamed());
  EXPECT_TRUE(answer.body.starts_with(": OPENROUTER PROCESSING\r\n\r\n"));
  const auto events = events_of(answer.body);
  EXPECT_EQ(events.back().data, "[DONE]");
  EXPECT_EQ(events[events.size() - 2].json()["usage"]["total_tokens"], 11);
}

TEST(mock_openrouter, WritesErrorCodesAsNumbers) {
  service_bench bench(with_key());
  const auto missing = bench.post(openrouter, question);
  EXPECT_EQ(missing.status, 401);
  EXPECT_EQ(missing.json()["error"]["code"], 401);
  EXPECT_EQ(missing.json()["error"]["message"], "No cookie auth credentials found");
  service_bench broke(struck_by(R"([{"kind":"insufficient_quota"}])"));
  EXPECT_EQ(broke.post(openrouter, question).status, 402);
  service_bench late(struck_by(R"([{"kind":"error_in_200","status":502}])"));
  const auto answer = late.post(openrouter, question);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json()["error"]["code"], 502);
  const auto events = events_of(late.post(openrouter, streamed()).body);
  EXPECT_EQ(events.front().json()["choices"][0]["finish_reason"], "error");
  EXPECT_EQ(events.front().json()["error"]["code"], 502);
}

TEST(mock_openrouter, ListsModelsWithPrices) {
  service_bench bench;
  const auto models = bench.get("/openrouter/api/v1/models").json()["data"];
  EXPECT_EQ(models[0]["id"], "assay/sim-strong");
  EXPECT_EQ(models[0]["pricing"]["prompt"], "0.000001");
}

TEST(mock_deepseek, TellsCacheMissesAndNoLimits) {
  options value;
  value.limits = {.requests_per_minute = 1};
  service_bench bench(value, small_sums());
  const auto answer = bench.post(deepseek, question);
  EXPECT_EQ(answer.json()["usage"]["prompt_cache_hit_tokens"], 0);
  EXPECT_EQ(answer.json()["usage"]["prompt_cache_miss_tokens"], answer.json()["usage"]["prompt_tokens"]);
  EXPECT_EQ(answer.header("x-ratelimit-limit-requests"), "");
  EXPECT_EQ(bench.post("/deepseek/v1/chat/completions", question).status, 429);
}

TEST(mock_deepseek, HasItsOwnErrors) {
  service_bench broke(struck_by(R"([{"kind":"insufficient_quota"}])"));
  EXPECT_EQ(broke.post(deepseek, question).status, 402);
  service_bench odd(struck_by(R"([{"kind":"status","status":422}])"));
  EXPECT_EQ(odd.post(deepseek, question).status, 422);
  service_bench locked(with_key());
  const auto refused = locked.post(deepseek, question, {{"authorization", "Bearer wrong-key-9876"}});
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.json()["error"]["type"], "authentication_error");
}

TEST(mock_deepseek, ShowsSignsOfLifeBeforeABodyAndInAStream) {
  service_bench bench(struck_by(R"([{"kind":"keep_alive","count":3,"ms":7}])"), small_sums());
  const auto plain = bench.post(deepseek, question);
  EXPECT_TRUE(plain.body.starts_with("\n\n\n{"));
  EXPECT_EQ(plain.json()["choices"][0]["message"]["content"], "The answer is 4.");
  EXPECT_EQ(bench.last().gap, milliseconds(7));
  const auto stream = bench.post(deepseek, streamed());
  EXPECT_NE(stream.body.find(": keep-alive\n\n: keep-alive\n\n: keep-alive\n\n"), std::string::npos);
  EXPECT_EQ(events_of(stream.body).back().data, "[DONE]");
}

TEST(mock_dashscope, MeansSlowerWhenItSaysQuota) {
  options value;
  value.limits = {.tokens_per_minute = 20};
  service_bench bench(value, small_sums());
  EXPECT_EQ(bench.post(dashscope, question).status, 200);
  const auto refused = bench.post(dashscope, question);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json()["error"]["code"], "insufficient_quota");
  EXPECT_EQ(refused.json()["request_id"], refused.header("x-request-id"));
  service_bench broke(struck_by(R"([{"kind":"insufficient_quota"}])"));
  EXPECT_EQ(broke.post(dashscope, question).json()["error"]["code"], "Arrearage");
}

} // namespace assay::mock
