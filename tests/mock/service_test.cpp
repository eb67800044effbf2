#include "mock/service.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::mock {

namespace {

constexpr auto hello =
    R"({"model":"sim-strong","max_tokens":100,"messages":[{"role":"user","content":"hello"}]})";

/// A service with a clock that only the test moves.
class mock_limits : public ::testing::Test {
protected:
  void start(options value) {
    value.clock = [this] { return now_; };
    service_ = service::create(std::move(value), nullptr).value();
  }

  std::string ask(std::string_view body = hello, std::string_view key = "Bearer sk-a") {
    last_ = service_->handle(
        {.method = "POST", .target = "/v1/chat/completions", .authorization = key, .body = body});
    return last_.bytes.substr(0, last_.bytes.find("\r\n"));
  }

  void finish() { service_->finished(last_, true); }

  std::string header(const std::string& name) const {
    const auto at = last_.bytes.find("\r\n" + name + ": ");
    if (at == std::string::npos)
      return "(none)";
    const auto begin = at + 4 + name.size();
    return last_.bytes.substr(begin, last_.bytes.find("\r\n", begin) - begin);
  }

  nlohmann::json body() const {
    return nlohmann::json::parse(last_.bytes.substr(last_.bytes.find("\r\n\r\n") + 4));
  }

  nanoseconds now_{seconds(1000)};
  std::unique_ptr<service> service_;
  reply last_;
};

} // namespace

TEST_F(mock_limits, AreToldInTheHeadersOfEveryAnswer) {
  options value;
  value.limits = {.requests_per_minute = 60, .tokens_per_minute = 6000};
  start(std::move(value));
  EXPECT_EQ(ask(), "HTTP/1.1 200 OK");
  EXPECT_EQ(header("x-ratelimit-limit-requests"), "60");
  EXPECT_EQ(header("x-ratelimit-remaining-requests"), "59");
  EXPECT_EQ(header("x-ratelimit-reset-requests"), "1s");
  EXPECT_EQ(header("x-ratelimit-limit-tokens"), "6000");
  EXPECT_EQ(header("x-ratelimit-remaining-tokens"), "5892"); // 8 of the prompt + max_tokens.
  EXPECT_EQ(header("x-ratelimit-reset-tokens"), "1.08s");
  EXPECT_EQ(header("retry-after"), "(none)");
  EXPECT_EQ(header("openai-version"), "2020-10-01");
  EXPECT_EQ(header("openai-processing-ms"), "0");
  EXPECT_EQ(header("x-assay-simulated"), "true");
  EXPECT_EQ(header("x-request-id").substr(0, 4), "req_");
}

TEST_F(mock_limits, RefuseInTheProvidersWordsAndOpenAgainOnTime) {
  options value;
  value.limits = {.requests_per_minute = 50};
  start(std::move(value));
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(ask(), "HTTP/1.1 200 OK");
  EXPECT_EQ(ask(), "HTTP/1.1 429 Too Many Requests");
  EXPECT_EQ(header("retry-after"), "2");
  EXPECT_EQ(header("retry-after-ms"), "1200");
  EXPECT_EQ(header("x-ratelimit-remaining-requests"), "0");
  EXPECT_EQ(header("x-ratelimit-reset-requests"), "1m0s");
  const auto error = body()["error"];
  EXPECT_EQ(error["type"], "requests");
  EXPECT_EQ(error["code"], "rate_limit_exceeded");
  EXPECT_TRUE(error["param"].is_null());
  EXPECT_TRUE(error["message"].get<std::string>().starts_with(
      "Rate limit reached for sim-strong in organization org-simulated on requests per min (RPM): Limit 50, "
      "Used 50, "
      "Requested 1. Please try again in 1.2s."))
      << error["message"];
  now_ += milliseconds(1199);
  EXPECT_EQ(ask(), "HTTP/1.1 429 Too Many Requests");
  EXPECT_EQ(header("retry-after-ms"), "1");
  now_ += milliseconds(1);
  EXPECT_EQ(ask(), "HTTP/1.1 200 OK");
  EXPECT_EQ(ask(hello, "Bearer sk-b"), "HTTP/1.1 200 OK");
}

TEST_F(mock_limits, RefuseForeverWhatIsTooLarge) {
  options value;
  value.limits = {.tokens_per_minute = 50};
  start(std::move(value));
  EXPECT_EQ(ask(), "HTTP/1.1 429 Too Many Requests");
  EXPECT_EQ(header("retry-after"), "(none)");
  EXPECT_TRUE(body()["error"]["message"].get<std::string>().starts_with("Request too large for sim-strong"));
}

TEST_F(mock_limits, CountCallsInFlightUntilTheyAreFinished) {
  options value;
  value.limits = {.concurrent_requests = 1};
  start(std::move(value));
  EXPECT_EQ(ask(), "HTTP/1.1 200 OK");
  const auto first = std::move(last_);
  EXPECT_EQ(ask(), "HTTP/1.1 429 Too Many Requests");
  finish();
  service_->finished(first, false);
  EXPECT_EQ(ask(), "HTTP/1.1 200 OK");
}

TEST_F(mock_limits, AKeyWithoutMoneyIsToldSo) {
  options value;
  value.exhausted_keys = {secret("sk-poor")};
  start(std::move(value));
  EXPECT_EQ(ask(hello, "Bearer sk-poor"), "HTTP/1.1 429 Too Many Requests");
  EXPECT_EQ(body()["error"]["code"], "insufficient_quota");
  EXPECT_EQ(body()["error"]["type"], "insufficient_quota");
  EXPECT_EQ(header("retry-after"), "(none)");
  EXPECT_EQ(ask(), "HTTP/1.1 200 OK");
}

TEST_F(mock_limits, OnlyKnownKeysAreServed) {
  options value;
  value.keys = {secret("sk-good-key-123456")};
  start(std::move(value));
  EXPECT_EQ(ask(hello, ""), "HTTP/1.1 401 Unauthorized");
  EXPECT_TRUE(body()["error"]["message"].get<std::string>().starts_with("You didn't provide an API key."));
  EXPECT_EQ(ask(hello, "Bearer sk-wrong-key-9999"), "HTTP/1.1 401 Unauthorized");
  EXPECT_EQ(body()["error"]["code"], "invalid_api_key");
  EXPECT_TRUE(body()["error"]["message"].get<std::string>().starts_with(
      "Incorrect API key provided: sk-w***9999. You can find"));
  EXPECT_EQ(ask(hello, "Basic sk-good-key-123456"), "HTTP/1.1 401 Unauthorized");
  EXPECT_EQ(ask(hello, "bearer  sk-good-key-123456"), "HTTP/1.1 200 OK");
}

TEST_F(mock_limits, APromptLongerThanTheWindowIsRefused) {
  options value;
  value.models.push_back({.name = "tiny", .context_window = 10});
  start(std::move(value));
  EXPECT_EQ(
      ask(R"({"model":"tiny","messages":[{"role":"user","content":"much too long for such a small window"}]})"),
      "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(body()["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(body()["error"]["param"], "messages");
}

TEST_F(mock_limits, LatencyComesFromDistributionModelAndTokens) {
  options value;
  value.latency = parse_latency("fixed:100").value();
  value.models.push_back({.name = "steady", .latency_factor = 2, .tokens_per_second = 10});
  start(std::move(value));
  ask();
  EXPECT_EQ(last_.delay, milliseconds(100));
  EXPECT_EQ(header("openai-processing-ms"), "100");
  ask(R"({"model":"sim-fast","messages":[{"role":"user","content":"hello"}]})");
  EXPECT_EQ(last_.delay, milliseconds(50));
  ask(R"({"model":"steady","max_tokens":4,"messages":[{"role":"user","content":"hello"}]})");
  EXPECT_EQ(last_.delay, milliseconds(200 + 400));
  ask(R"({"model":"steady","max_tokens":4,"stream":true,"messages":[{"role":"user","content":"hello"}]})");
  EXPECT_EQ(last_.delay, milliseconds(200));
  EXPECT_EQ(last_.gap, milliseconds(100));
  EXPECT_EQ(last_.pauses.size(), 1 + 4 + 1); // Role, four tokens, finish; none after [DONE].
}

TEST_F(mock_limits, ARecordThatCannotBeWrittenIsAnErrorAtTheStart) {
  options value;
  value.record = "/nonexistent/folder/record.jsonl";
  const auto failed = service::create(std::move(value), nullptr);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, errc::store_failed);
}

} // namespace assay::mock
