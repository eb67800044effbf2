#include "bench.hpp"
#include "mock/gemini_api.hpp"

#include <gtest/gtest.h>

namespace assay::mock {

namespace {

using nlohmann::json;

constexpr auto generate = "/v1beta/models/sim-p100:generateContent";
constexpr auto stream = "/v1beta/models/sim-p100:streamGenerateContent";

json contents(json more = json::object(), const std::string& text = "2+2?") {
  more["contents"] = {{{"role", "user"}, {"parts", {{{"text", text}}}}}};
  return more;
}

std::string complaint(const json& body) {
  const auto read = read_gemini_chat("m", body.dump());
  return read ? "accepted" : read.error().message;
}

const json tools{
    {{"functionDeclarations",
      {{{"name", "lookup"},
        {"parameters",
         {{"type", "OBJECT"}, {"properties", {{"n", {{"type", "INTEGER"}}}}}, {"required", {"n"}}}}}}}}};

} // namespace

TEST(mock_gemini, GeneratesContent) {
  service_bench bench({}, small_sums());
  const auto answer =
      bench.post(generate, contents({{"systemInstruction", {{"parts", {{{"text", "Be terse."}}}}}}}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto body = answer.json();
  EXPECT_EQ(body["candidates"][0]["content"]["parts"][0]["text"], "The answer is 4.");
  EXPECT_EQ(body["candidates"][0]["content"]["role"], "model");
  EXPECT_EQ(body["candidates"][0]["finishReason"], "STOP");
  EXPECT_EQ(body["usageMetadata"]["promptTokenCount"], (3 + 3) + (1 + 3) + 3);
  EXPECT_EQ(body["usageMetadata"]["candidatesTokenCount"], 4);
  EXPECT_EQ(body["usageMetadata"]["totalTokenCount"], 17);
  EXPECT_EQ(body["modelVersion"], "sim-p100");
  EXPECT_EQ(body["simulated"], true);
  for (const auto* name : {"x-request-id", "request-id", "x-ratelimit-limit-requests"})
    EXPECT_EQ(answer.header(name), "");
  EXPECT_EQ(bench.get("/mock/calls?list=1").json()["calls"][0]["request_id"], body["responseId"]);
}

TEST(mock_gemini, StreamsWholeObjectsWithoutADoneMark) {
  service_bench bench({}, small_sums());
  const auto answer = bench.post(std::string(stream) + "?alt=sse", contents());
  EXPECT_EQ(answer.header("content-type"), "text/event-stream");
  EXPECT_NE(answer.body.find("\r\n\r\ndata: "), std::string::npos);
  const auto events = events_of(answer.body);
  std::string text;
  for (size_t i = 0; i < events.size(); ++i) {
    const auto frame = events[i].json();
    text += frame["candidates"][0]["content"]["parts"][0]["text"].get<std::string>();
    EXPECT_EQ(frame["candidates"][0].contains("finishReason"), i + 1 == events.size());
  }
  EXPECT_EQ(text, "The answer is 4.");
  EXPECT_EQ(events.front().json()["usageMetadata"]["candidatesTokenCount"], 1);
  EXPECT_EQ(events.back().json()["usageMetadata"]["candidatesTokenCount"], 4);
}

TEST(mock_gemini, StreamsOneJsonListWithoutAltSse) {
  service_bench bench({}, small_sums());
  const auto answer = bench.post(stream, contents());
  EXPECT_EQ(answer.header("content-type"), "application/json; charset=UTF-8");
  const auto list = answer.json();
  ASSERT_TRUE(list.is_array());
  EXPECT_EQ(list.back()["candidates"][0]["finishReason"], "STOP");
}

TEST(mock_gemini, CallsAFunctionAndAnswersInJson) {
  service_bench bench({}, small_sums());
  const auto called = bench.post(generate, contents({{"tools", tools}}, "Call the function.")).json();
  const auto part = called["candidates"][0]["content"]["parts"][0];
  EXPECT_EQ(part["functionCall"]["name"], "lookup");
  EXPECT_EQ(part["functionCall"]["args"], json({{"n", 0}}));
  EXPECT_EQ(called["candidates"][0]["finishReason"], "STOP");
  const json schema{
      {"type", "OBJECT"}, {"properties", {{"answer", {{"type", "STRING"}}}}}, {"required", {"answer"}}};
  const auto text = [&](const json& config) {
    return json::parse(bench.post(generate, contents({{"generationConfig", config}}))
                           .json()["candidates"][0]["content"]["parts"][0]["text"]
                           .get<std::string>());
  };
  EXPECT_EQ(text({{"responseMimeType", "application/json"}, {"responseSchema", schema}}),
            json({{"answer", "The answer is 4."}}));
  EXPECT_EQ(text({{"response_mime_type", "application/json"}})["simulated"], true);
}

TEST(mock_gemini, HasNoCandidatesForABlockedPrompt) {
  service_bench bench(struck_by(R"([{"kind":"content_filter"}])"));
  const auto answer = bench.post(generate, contents());
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.json().contains("candidates"));
  EXPECT_EQ(answer.json()["promptFeedback"]["blockReason"], "SAFETY");
}

TEST(mock_gemini, SaysHowLongToWaitInTheBodyOnly) {
  options value;
  value.limits = {.requests_per_minute = 5};
  value.limits.burst = seconds(12);
  service_bench bench(value);
  EXPECT_EQ(bench.post(generate, contents()).status, 200);
  const auto refused = bench.post(generate, contents());
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.header("retry-after"), "");
  const auto error = refused.json()["error"];
  EXPECT_EQ(error["code"], 429);
  EXPECT_EQ(error["status"], "RESOURCE_EXHAUSTED");
  EXPECT_EQ(error["details"][0]["violations"][0]["quotaId"],
            "GenerateRequestsPerMinutePerProjectPerModel-FreeTier");
  EXPECT_EQ(error["details"][0]["violations"][0]["quotaValue"], "5");
  EXPECT_EQ(error["details"][2]["retryDelay"], "12s");
  EXPECT_NE(error["message"].get<std::string>().find("Please retry in 12s."), std::string::npos);
}

TEST(mock_gemini, HasLimitsThatWaitingDoesNotHelp) {
  service_bench day(struck_by(R"([{"kind":"daily_quota"}])"));
  EXPECT_NE(day.post(generate, contents()).body.find("PerDay"), std::string::npos);
  service_bench silent(struck_by(R"([{"kind":"rate_limit","retry_after":"none"}])"));
  const auto error = silent.post(generate, contents()).json()["error"];
  EXPECT_EQ(error["details"].size(), 2);
  service_bench broke(struck_by(R"([{"kind":"insufficient_quota"}])"));
  EXPECT_EQ(broke.post(generate, contents()).status, 402);
}

TEST(mock_gemini, CallsAWrongKeyABadRequest) {
  options value;
  value.keys = {secret("good")};
  service_bench bench(value);
  EXPECT_EQ(bench.post(generate, contents(), {{"x-goog-api-key", "good"}}).status, 200);
  EXPECT_EQ(bench.post(std::string(generate) + "?key=good", contents()).status, 200);
  const auto wrong = bench.post(generate, contents(), {{"x-goog-api-key", "bad"}});
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.json()["error"]["status"], "INVALID_ARGUMENT");
  EXPECT_EQ(wrong.json()["error"]["details"][0]["reason"], "API_KEY_INVALID");
  EXPECT_EQ(bench.post(generate, contents()).status, 403);
}

TEST(mock_gemini, RefusesWhatTheProviderRefuses) {
  EXPECT_EQ(complaint(contents()), "accepted");
  EXPECT_EQ(complaint(contents({{"generation_config", {{"max_output_tokens", 5}}}})), "accepted");
  EXPECT_EQ(complaint(json::object()), "* GenerateContentRequest.contents: contents is not specified\n");
  EXPECT_EQ(complaint(contents({{"max_tokens", 5}})),
            "Invalid JSON payload received. Unknown name \"max_tokens\": Cannot find field.");
  EXPECT_NE(complaint(contents({{"generationConfig", {{"temperature", 3}}}})).find("[0.0, 2.0]"),
            std::string::npos);
  auto body = contents();
  body["contents"][0]["role"] = "assistant";
  EXPECT_EQ(complaint(body), "Please use a valid role: user, model.");
  service_bench bench;
  const auto unknown = bench.post("/v1beta/models/nobody:generateContent", contents());
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.json()["error"]["status"], "NOT_FOUND");
}

TEST(mock_gemini, EmbedsCountsAndListsModels) {
  service_bench bench;
  const json one{{"model", "models/sim-strong"},
                 {"content", {{"parts", {{{"text", "hi"}}}}}},
                 {"outputDimensionality", 8}};
  const auto single = bench.post("/v1beta/models/sim-strong:embedContent", one).json();
  EXPECT_EQ(single["embedding"]["values"].size(), 8);
  const auto many =
      bench.post("/v1beta/models/sim-strong:batchEmbedContents", {{"requests", {one, one}}}).json();
  ASSERT_EQ(many["embeddings"].size(), 2);
  EXPECT_EQ(many["embeddings"][1]["values"], single["embedding"]["values"]);
  EXPECT_EQ(bench.post("/v1beta/models/sim-strong:countTokens", contents()).json()["totalTokens"], 7);
  EXPECT_EQ(bench.post("/v1beta/models/sim-strong:countTokens", {{"generateContentRequest", contents()}})
                .json()["totalTokens"],
            7);
  const auto list = bench.get("/v1beta/models").json();
  EXPECT_EQ(list["models"][0]["name"], "models/sim-strong");
  EXPECT_EQ(bench.get("/v1beta/models/sim-p5").json()["name"], "models/sim-p5");
}

TEST(mock_gemini, BreaksAStreamWithBareJson) {
  service_bench bench(struck_by(R"([{"kind":"stream_error","status":503}])"), small_sums());
  const auto answer = bench.post(std::string(stream) + "?alt=sse", contents());
  EXPECT_EQ(answer.status, 200);
  const auto at = answer.body.find("\r\n\r\n{\r\n");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(json::parse(answer.body.substr(at))["error"]["status"], "UNAVAILABLE");
}

} // namespace assay::mock
