#include "bench.hpp"
#include "mock/embeddings.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <openssl/evp.h>

namespace assay::mock {

namespace {

using nlohmann::json;

json chat_with(json more, const std::string& text = "2+2?") {
  more["model"] = "sim-p100";
  more["messages"] = {{{"role", "user"}, {"content", text}}};
  return more;
}

const json weather_tool = {
    {"type", "function"},
    {"function",
     {{"name", "get_weather"},
      {"parameters",
       {{"type", "object"},
        {"properties", {{"city", {{"type", "string"}}}, {"days", {{"type", "integer"}, {"minimum", 2}}}}},
        {"required", {"city", "days"}}}}}}};

const auto chat_path = "/v1/chat/completions";

} // namespace

TEST(mock_openai, CallsTheFirstToolWhenThePromptSaysSo) {
  service_bench bench({}, small_sums());
  const json tools{{"tools", {weather_tool}}};
  const auto called = bench.post(chat_path, chat_with(tools, "Use the tool for Paris.")).json();
  const auto& choice = called["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_TRUE(choice["message"]["content"].is_null());
  const auto& call = choice["message"]["tool_calls"][0];
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"]["name"], "get_weather");
  const auto arguments = json::parse(call["function"]["arguments"].get<std::string>());
  EXPECT_TRUE(arguments["city"].is_string());
  EXPECT_EQ(arguments["days"], 2);
  EXPECT_EQ(bench.post(chat_path, chat_with(tools)).json()["choices"][0]["finish_reason"], "stop");
}

TEST(mock_openai, ObeysToolChoiceAndStopsCallingAfterAResult) {
  service_bench bench;
  const auto finish = [&](const json& body) {
    return bench.post(chat_path, body).json()["choices"][0]["finish_reason"];
  };
  EXPECT_EQ(finish(chat_with({{"tools", {weather_tool}}, {"tool_choice", "required"}})), "tool_calls");
  EXPECT_EQ(finish(chat_with({{"tools", {weather_tool}}, {"tool_choice", "none"}}, "Use the tool.")), "stop");
  auto second = weather_tool;
  second["function"]["name"] = "other";
  const auto named = bench.post(
      chat_path, chat_with({{"tools", {weather_tool, second}},
                            {"tool_choice", {{"type", "function"}, {"function", {{"name", "other"}}}}}}));
  EXPECT_EQ(named.json()["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "other");
  auto conversation = chat_with({{"tools", {weather_tool}}}, "Use the tool.");
  conversation["messages"].push_back({{"role", "assistant"}, {"content", nullptr}});
  conversation["messages"].push_back({{"role", "tool"}, {"tool_call_id", "call_1"}, {"content", "sunny"}});
  EXPECT_EQ(finish(conversation), "stop");
}

TEST(mock_openai, StreamsAToolCallInPieces) {
  service_bench bench;
  const auto answer = bench.post(
      chat_path, chat_with({{"tools", {weather_tool}}, {"tool_choice", "required"}, {"stream", true}}));
  std::string arguments;
  std::string finish;
  for (const auto& event : events_of(answer.body)) {
    if (event.data == "[DONE]")
      continue;
    const auto choice = event.json()["choices"][0];
    if (choice["delta"].contains("tool_calls"))
      arguments += choice["delta"]["tool_calls"][0]["function"]["arguments"].get<std::string>();
    if (choice["finish_reason"].is_string())
      finish = choice["finish_reason"];
  }
  EXPECT_EQ(json::parse(arguments)["days"], 2);
  EXPECT_EQ(finish, "tool_calls");
}

TEST(mock_openai, AnswersInJsonWhenAsked) {
  service_bench bench({}, small_sums());
  const auto content = [&](const json& body) {
    return json::parse(
        bench.post(chat_path, body).json()["choices"][0]["message"]["content"].get<std::string>());
  };
  auto object = chat_with({{"response_format", {{"type", "json_object"}}}});
  const json system = {{"role", "system"}, {"content", "Answer in JSON."}};
  object["messages"].insert(object["messages"].begin(), system);
  EXPECT_EQ(content(object)["answer"], "The answer is 4.");
  EXPECT_EQ(content(object)["simulated"], true);
  const json schema{{"type", "object"},
                    {"properties",
                     {{"answer", {{"type", "string"}}},
                      {"score", {{"type", "number"}, {"minimum", 1}}},
                      {"label", {{"enum", {"good", "bad"}}}}}},
                    {"required", {"answer", "score", "label"}}};
  const auto instance =
      content(chat_with({{"response_format",
                          {{"type", "json_schema"}, {"json_schema", {{"name", "x"}, {"schema", schema}}}}}}));
  EXPECT_EQ(instance, json({{"answer", "The answer is 4."}, {"score", 1.0}, {"label", "good"}}));
}

TEST(mock_openai, RefusesJsonModeAsTheProviderDoes) {
  service_bench bench;
  const auto param = [&](const json& format) {
    const auto answer = bench.post(chat_path, chat_with({{"response_format", format}}));
    EXPECT_EQ(answer.status, 400);
    return answer.json()["error"]["param"];
  };
  EXPECT_EQ(param({{"type", "json_object"}}), "messages"); // Nobody says JSON.
  EXPECT_EQ(param({{"type", "json_schema"}}), "response_format.json_schema");
  EXPECT_EQ(param({{"type", "json_schema"}, {"json_schema", json::object()}}),
            "response_format.json_schema.name");
  EXPECT_EQ(param({{"type", "json_schema"}, {"json_schema", {{"name", "no blanks"}}}}),
            "response_format.json_schema.name");
  EXPECT_EQ(param({{"type", "xml"}}), "response_format.type");
}

TEST(mock_openai, CountsImagesInTheRecordAndTheTokens) {
  service_bench bench;
  auto body = chat_with(json::object());
  body["messages"][0]["content"] = {
      {{"type", "text"}, {"text", "What?"}},
      {{"type", "image_url"}, {"image_url", {{"url", "data:image/png;base64,AAAA"}}}}};
  const auto answer = bench.post(chat_path, body).json();
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 2 + 3 + 3 + tokens_per_image);
  EXPECT_EQ(bench.get("/mock/calls?list=1").json()["calls"][0]["images"], 1);
}

TEST(mock_openai, EmbedsTextsAsUnitVectorsThatDependOnTheTextAlone) {
  service_bench bench;
  const auto embed_all = [&](const json& input) {
    return bench.post("/v1/embeddings", {{"model", "sim-strong"}, {"input", input}, {"dimensions", 64}})
        .json();
  };
  const auto two = embed_all({"one", "two"});
  EXPECT_EQ(two["object"], "list");
  ASSERT_EQ(two["data"].size(), 2);
  EXPECT_EQ(two["data"][1]["index"], 1);
  EXPECT_EQ(two["usage"]["prompt_tokens"], 2);
  EXPECT_EQ(two["data"][0]["embedding"].size(), 64);
  EXPECT_EQ(embed_all("two")["data"][0]["embedding"], two["data"][1]["embedding"]);
  EXPECT_NE(two["data"][0]["embedding"], two["data"][1]["embedding"]);
  double length = 0;
  for (const auto& x : two["data"][0]["embedding"])
    length += x.get<double>() * x.get<double>();
  EXPECT_NEAR(length, 1, 1e-5);
  const auto usual = bench.post("/v1/embeddings", {{"model", "sim-strong"}, {"input", "x"}}).json();
  EXPECT_EQ(usual["data"][0]["embedding"].size(), 1536);
}

TEST(mock_openai, SendsTheSameVectorInBase64) {
  service_bench bench;
  const auto answer =
      bench
          .post("/v1/embeddings",
                {{"model", "sim-strong"}, {"input", "x"}, {"dimensions", 3}, {"encoding_format", "base64"}})
          .json();
  const auto text = answer["data"][0]["embedding"].get<std::string>();
  std::vector<unsigned char> bytes(text.size());
  const auto n = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                 static_cast<int>(text.size()));
  ASSERT_GE(n, 12);
  std::vector<float> values(3);
  std::memcpy(values.data(), bytes.data(), 12);
  EXPECT_EQ(values, embed("sim-strong", "x", 3));
}

TEST(mock_openai, CountsTokensAsLlamaCppDoes) {
  service_bench bench({}, small_sums());
  const auto answer = bench.post("/v1/chat/completions/input_tokens", chat_with({}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto chat = bench.post(chat_path, chat_with({})).json();
  EXPECT_EQ(answer.json()["input_tokens"], chat["usage"]["prompt_tokens"]);
  EXPECT_EQ(answer.json()["simulated"], true);
}

TEST(mock_openai, CountsTokensAsVllmDoes) {
  service_bench bench({}, small_sums());
  const auto answer = bench.post("/tokenize", chat_with({}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto chat = bench.post(chat_path, chat_with({})).json();
  EXPECT_EQ(answer.json()["count"], chat["usage"]["prompt_tokens"]);
  EXPECT_EQ(answer.json()["tokens"].size(), answer.json()["count"].get<size_t>());
  const auto plain = bench.post("/tokenize", {{"model", "sim-p100"}, {"prompt", "abcdefgh"}});
  EXPECT_EQ(plain.json()["count"], 2) << plain.body;
  EXPECT_EQ(bench.post("/tokenize", {{"model", "nobody"}, {"prompt", "x"}}).status, 404);
  EXPECT_EQ(bench.post("/tokenize", {{"prompt", "x"}}).status, 400);
}

TEST(mock_openai, RefusesEmbeddingsOfNothing) {
  service_bench bench;
  const auto status = [&](const json& input) {
    return bench.post("/v1/embeddings", {{"model", "sim-strong"}, {"input", input}}).status;
  };
  EXPECT_EQ(status(""), 400);
  EXPECT_EQ(status(json::array()), 400);
  EXPECT_EQ(status(json::array({"a", ""})), 400);
  EXPECT_EQ(status(json::array({1, 2, 3})), 200);
  EXPECT_EQ(status(json::array({json::array({1, 2}), json::array({3})})), 200);
  EXPECT_EQ(bench.post("/v1/embeddings", {{"model", "nobody"}, {"input", "x"}}).status, 404);
}

TEST(mock_openai, PacesItsStreamsByAFixedGapOrTokensPerSecond) {
  options value;
  value.stream_gap = milliseconds(20);
  service_bench gap(value);
  gap.post(chat_path, chat_with({{"stream", true}}));
  EXPECT_EQ(gap.last().gap, milliseconds(20));
  EXPECT_FALSE(gap.last().pauses.empty());
  value.tokens_per_second = 100;
  service_bench speed(value);
  speed.post(chat_path, chat_with({{"stream", true}}));
  EXPECT_EQ(speed.last().gap, milliseconds(10));
  speed.post(chat_path, chat_with({{"max_tokens", 5}}));
  EXPECT_EQ(speed.last().delay, milliseconds(50));
}

} // namespace assay::mock
