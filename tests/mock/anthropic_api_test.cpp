#include "bench.hpp"
#include "mock/anthropic_api.hpp"

#include <gtest/gtest.h>

namespace assay::mock {

namespace {

using nlohmann::json;

constexpr auto path = "/v1/messages";
const service_bench::header_map version{{"anthropic-version", "2023-06-01"}};

json message(json more = json::object(), const std::string& text = "2+2?") {
  more["model"] = "sim-p100";
  more["max_tokens"] = more.value("max_tokens", 100);
  more["messages"] = {{{"role", "user"}, {"content", text}}};
  return more;
}

std::string complaint(const json& body) {
  const auto read = read_anthropic_messages(body.dump(), false);
  return read ? "accepted" : read.error().message;
}

const json tools{
    {{"name", "lookup"},
     {"input_schema",
      {{"type", "object"}, {"properties", {{"word", {{"type", "string"}}}}}, {"required", {"word"}}}}}};

} // namespace

TEST(mock_anthropic, AnswersAMessage) {
  service_bench bench({}, small_sums());
  const auto answer = bench.post(path, message({{"system", "Be terse."}}), version);
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto body = answer.json();
  EXPECT_EQ(body["type"], "message");
  EXPECT_EQ(body["role"], "assistant");
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("msg_"));
  EXPECT_EQ(body["content"], json({{{"type", "text"}, {"text", "The answer is 4."}}}));
  EXPECT_EQ(body["stop_reason"], "end_turn");
  EXPECT_TRUE(body["stop_sequence"].is_null());
  EXPECT_EQ(body["usage"]["input_tokens"], (3 + 3) + (1 + 3) + 3);
  EXPECT_EQ(body["usage"]["output_tokens"], 4);
  EXPECT_EQ(body["usage"]["service_tier"], "standard");
  EXPECT_EQ(body["simulated"], true);
  EXPECT_TRUE(answer.header("request-id").starts_with("req_"));
  EXPECT_EQ(answer.header("x-request-id"), "");
}

TEST(mock_anthropic, StreamsNamedEvents) {
  service_bench bench({}, small_sums());
  const auto answer = bench.post(path, message({{"stream", true}}), version);
  EXPECT_EQ(answer.header("content-type"), "text/event-stream; charset=utf-8");
  const auto events = events_of(answer.body);
  std::vector<std::string> names;
  std::string text;
  for (const auto& event : events) {
    EXPECT_EQ(event.json()["type"], event.name);
    if (event.name == "content_block_delta")
      text += event.json()["delta"]["text"].get<std::string>();
    else
      names.push_back(event.name);
  }
  EXPECT_EQ(text, "The answer is 4.");
  EXPECT_EQ(names, (std::vector<std::string>{"message_start", "content_block_start", "ping",
                                             "content_block_stop", "message_delta", "message_stop"}));
  EXPECT_EQ(events.front().json()["message"]["usage"]["input_tokens"], 7);
  EXPECT_EQ(events.front().json()["message"]["usage"]["output_tokens"], 1);
  const auto delta = events[events.size() - 2].json();
  EXPECT_EQ(delta["delta"]["stop_reason"], "end_turn");
  EXPECT_EQ(delta["usage"]["output_tokens"], 4);
}

TEST(mock_anthropic, SaysWhyItStopped) {
  service_bench bench({}, small_sums());
  const auto stop = [&](const json& more) { return bench.post(path, message(more), version).json(); };
  EXPECT_EQ(stop({{"max_tokens", 2}})["stop_reason"], "max_tokens");
  const auto cut = stop({{"stop_sequences", {"is"}}});
  EXPECT_EQ(cut["stop_reason"], "stop_sequence");
  EXPECT_EQ(cut["stop_sequence"], "is");
  service_bench filtered(struck_by(R"([{"kind":"content_filter"}])"));
  const auto refusal = filtered.post(path, message(), version);
  EXPECT_EQ(refusal.status, 200);
  EXPECT_EQ(refusal.json()["stop_reason"], "refusal");
  EXPECT_TRUE(refusal.json()["content"].empty());
}

TEST(mock_anthropic, CallsATool) {
  service_bench bench;
  const auto body = bench.post(path, message({{"tools", tools}}, "Use lookup, please."), version).json();
  EXPECT_EQ(body["stop_reason"], "tool_use");
  EXPECT_EQ(body["content"][0]["type"], "tool_use");
  EXPECT_EQ(body["content"][0]["name"], "lookup");
  EXPECT_EQ(body["content"][0]["input"]["word"], "simulated");
  auto after = message({{"tools", tools}}, "Use lookup, please.");
  after["messages"].push_back({{"role", "assistant"}, {"content", body["content"]}});
  after["messages"].push_back(
      {{"role", "user"},
       {"content",
        {{{"type", "tool_result"}, {"tool_use_id", body["content"][0]["id"]}, {"content", "x"}}}}});
  EXPECT_EQ(bench.post(path, after, version).json()["stop_reason"], "end_turn");
  std::string input;
  for (const auto& event : events_of(
           bench
               .post(path, message({{"tools", tools}, {"stream", true}, {"tool_choice", {{"type", "any"}}}}),
                     version)
               .body))
    if (event.name == "content_block_delta")
      input += event.json()["delta"]["partial_json"].get<std::string>();
  EXPECT_EQ(json::parse(input), body["content"][0]["input"]);
}

TEST(mock_anthropic, GivesStructuredOutputAndCountsImages) {
  service_bench bench({}, small_sums());
  const json format{
      {"type", "json_schema"},
      {"schema",
       {{"type", "object"}, {"properties", {{"answer", {{"type", "string"}}}}}, {"required", {"answer"}}}}};
  const auto body = bench.post(path, message({{"output_config", {{"format", format}}}}), version).json();
  EXPECT_EQ(json::parse(body["content"][0]["text"].get<std::string>())["answer"], "The answer is 4.");
  auto image = message();
  image["messages"][0]["content"] = {
      {{"type", "image"}, {"source", {{"type", "base64"}, {"media_type", "image/png"}, {"data", "AAAA"}}}},
      {{"type", "text"}, {"text", "?"}}};
  EXPECT_EQ(bench.post(path, image, version).json()["usage"]["input_tokens"], 1 + 3 + 3 + tokens_per_image);
}

TEST(mock_anthropic, RefusesWhatTheProviderRefuses) {
  EXPECT_EQ(complaint(message()), "accepted");
  auto body = message();
  body.erase("max_tokens");
  EXPECT_EQ(complaint(body), "max_tokens: Field required");
  EXPECT_EQ(complaint(message({{"temperature", 1.5}})), "temperature: range: 0..1");
  EXPECT_EQ(complaint(message({{"n", 2}})), "n: Extra inputs are not permitted");
  EXPECT_EQ(complaint(message({{"seed", 2}})), "seed: Extra inputs are not permitted");
  EXPECT_EQ(complaint(message({{"max_tokens", 0}})),
            "max_tokens: Input should be greater than or equal to 1");
  body = message();
  body["messages"][0]["role"] = "system";
  EXPECT_TRUE(complaint(body).starts_with("messages: Unexpected role \"system\""));
  body["messages"] = json::array();
  EXPECT_EQ(complaint(body), "messages: at least one message is required");
  body["messages"] = {{{"role", "user"}, {"content", ""}}};
  EXPECT_TRUE(complaint(body).starts_with("messages.0: all messages must have non-empty content"));
  EXPECT_EQ(complaint(message({{"tools", tools}, {"tool_choice", {{"type", "tool"}, {"name", "other"}}}})),
            "tool_choice.name: Tool 'other' not found in provided tools");
  EXPECT_EQ(complaint(json("x")), "The request body is not valid JSON: expected value at line 1 column 1");
}

TEST(mock_anthropic, DemandsVersionAndKey) {
  options value;
  value.keys = {secret("sk-ant-good")};
  service_bench bench(value);
  const auto type = [&](const service_bench::header_map& headers, int status) {
    const auto answer = bench.post(path, message(), headers);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.json()["type"], answer.status == 200 ? "message" : "error");
    return answer.status == 200 ? std::string() : answer.json()["error"]["type"].get<std::string>();
  };
  EXPECT_EQ(type({{"x-api-key", "sk-ant-good"}, {"anthropic-version", "2023-06-01"}}, 200), "");
  EXPECT_EQ(type({{"authorization", "Bearer sk-ant-good"}, {"anthropic-version", "2023-06-01"}}, 200), "");
  EXPECT_EQ(type({{"x-api-key", "sk-ant-good"}}, 400), "invalid_request_error");
  EXPECT_EQ(type({{"x-api-key", "bad"}, {"anthropic-version", "2023-06-01"}}, 401), "authentication_error");
  EXPECT_EQ(type({{"anthropic-version", "2023-06-01"}}, 401), "authentication_error");
}

TEST(mock_anthropic, TellsLimitsWithAbsoluteTimes) {
  options value;
  value.limits = {.requests_per_minute = 60, .input_tokens_per_minute = 600, .output_tokens_per_minute = 6};
  service_bench bench(value, small_sums());
  const auto answer = bench.post(path, message(), version);
  EXPECT_EQ(answer.header("anthropic-ratelimit-requests-limit"), "60");
  EXPECT_EQ(answer.header("anthropic-ratelimit-requests-remaining"), "59");
  EXPECT_EQ(answer.header("anthropic-ratelimit-input-tokens-remaining"), "593");
  EXPECT_EQ(answer.header("anthropic-ratelimit-output-tokens-remaining"), "2");
  EXPECT_TRUE(from_rfc3339(answer.header("anthropic-ratelimit-requests-reset")));
  EXPECT_EQ(answer.header("anthropic-ratelimit-tokens-limit"), "");
  const auto refused = bench.post(path, message(), version);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json()["error"]["type"], "rate_limit_error");
  EXPECT_NE(refused.body.find("6 output tokens per minute"), std::string::npos);
  EXPECT_EQ(refused.header("retry-after"), "20"); // Two tokens at six a minute.
  EXPECT_EQ(refused.header("retry-after-ms"), "");
  EXPECT_EQ(refused.header("x-should-retry"), "true");
}

TEST(mock_anthropic, HasItsOwnErrors) {
  const auto error = [](int status) {
    service_bench bench(struck_by(R"([{"kind":"status","status":)" + std::to_string(status) + "}]"));
    const auto answer = bench.post(path, message(), version);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.json()["request_id"], answer.header("request-id"));
    return answer.json()["error"]["type"].get<std::string>();
  };
  EXPECT_EQ(error(402), "billing_error");
  EXPECT_EQ(error(403), "permission_error");
  EXPECT_EQ(error(413), "request_too_large");
  EXPECT_EQ(error(500), "api_error");
  EXPECT_EQ(error(504), "timeout_error");
  EXPECT_EQ(error(529), "overloaded_error");
  service_bench bench;
  EXPECT_EQ(
      bench.post(path, {{"model", "x"}, {"max_tokens", 1}, {"messages", message()["messages"]}}, version)
          .json()["error"]["type"],
      "not_found_error");
}

TEST(mock_anthropic, BreaksAStreamWithAnErrorEvent) {
  service_bench bench(struck_by(R"([{"kind":"stream_error","status":529}])"), small_sums());
  const auto answer = bench.post(path, message({{"stream", true}}), version);
  EXPECT_EQ(answer.status, 200);
  const auto events = events_of(answer.body);
  EXPECT_EQ(events.back().name, "error");
  EXPECT_EQ(events.back().json()["error"]["type"], "overloaded_error");
  service_bench open_end(struck_by(R"([{"kind":"stream_without_done"}])"), small_sums());
  EXPECT_EQ(events_of(open_end.post(path, message({{"stream", true}}), version).body).back().name,
            "content_block_delta");
}

TEST(mock_anthropic, CountsTokensAndListsModels) {
  service_bench bench;
  auto body = message();
  body.erase("max_tokens");
  EXPECT_EQ(bench.post("/v1/messages/count_tokens", body, version).json(), json({{"input_tokens", 7}}));
  const auto list = bench.get("/v1/models", version).json();
  EXPECT_EQ(list["data"][0]["type"], "model");
  EXPECT_EQ(list["first_id"], "sim-strong");
  EXPECT_EQ(list["last_id"], "sim-fast");
  EXPECT_EQ(list["has_more"], false);
  EXPECT_EQ(bench.get("/v1/models/sim-p1", version).json()["id"], "sim-p1");
  EXPECT_EQ(bench.get("/v1/models/nobody", version).json()["error"]["type"], "not_found_error");
}

} // namespace assay::mock
