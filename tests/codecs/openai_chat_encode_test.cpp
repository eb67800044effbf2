#include "core/codecs/json_text.hpp"
#include "core/codecs/openai_chat.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <random>

namespace assay::codecs {
namespace {

using nlohmann::json;

json encoded(const std::vector<chat_message>& messages, const sampling& parameters,
             std::string_view model = "gpt-4o-mini") {
  const auto request = make_codec({})->encode_chat({model, messages, parameters});
  EXPECT_EQ(request.value().target, "/chat/completions");
  return json::parse(request.value().body.view());
}

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(encode_chat, WritesRolesContentsAndParameters) {
  sampling parameters;
  parameters.temperature = 0.7;
  parameters.top_p = 0.9;
  parameters.frequency_penalty = -0.5;
  parameters.presence_penalty = 0.25;
  parameters.max_tokens = 512;
  parameters.seed = -42;
  parameters.stop = {"```", "\n\n"};
  const auto body = encoded(
      {{chat_role::system, shared_text("Be terse.")}, {chat_role::user, shared_text("2+2?")}}, parameters);
  EXPECT_EQ(body, json::parse(R"({"model":"gpt-4o-mini",
    "messages":[{"role":"system","content":"Be terse."},{"role":"user","content":"2+2?"}],
    "max_tokens":512,"temperature":0.7,"top_p":0.9,"frequency_penalty":-0.5,"presence_penalty":0.25,
    "stop":["```","\n\n"],"seed":-42})"));
}

TEST(encode_chat, LeavesUnsetParametersToTheProvider) {
  const auto body = encoded({{chat_role::user, shared_text("hi")}}, {});
  EXPECT_EQ(body.size(), 2U);
}

TEST(encode_chat, GivesAReasoningModelOnlyWhatItAccepts) {
  sampling parameters;
  parameters.temperature = 0;
  parameters.top_p = 1;
  parameters.max_tokens = 100;
  parameters.stop = {"x"};
  parameters.seed = 7;
  const auto body = encoded({{chat_role::user, shared_text("hi")}}, parameters, "o3");
  EXPECT_EQ(body["max_completion_tokens"], 100);
  EXPECT_EQ(body["seed"], 7);
  for (const auto* absent : {"max_tokens", "temperature", "top_p", "stop"})
    EXPECT_FALSE(body.contains(absent)) << absent;
}

TEST(encode_chat, SurvivesEveryByteInAPrompt) {
  std::string all;
  for (int i = 0; i < 256; ++i)
    all += static_cast<char>(i);
  const auto body = encoded({{chat_role::user, shared_text(all)}}, {});
  const auto text = body["messages"][0]["content"].get<std::string>();
  EXPECT_EQ(text.substr(0, 128), all.substr(0, 128));
  EXPECT_NE(text.find("\xEF\xBF\xBD"), std::string::npos);
}

TEST(encode_chat, SendsNullInsteadOfNumbersThatJsonLacks) {
  sampling parameters;
  parameters.temperature = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(encoded({{chat_role::user, shared_text("hi")}}, parameters)["temperature"].is_null());
}

TEST(json_string, KeepsWellFormedTextAsItIs) {
  EXPECT_EQ(as_json("plain"), "\"plain\"");
  EXPECT_EQ(as_json("数学 ü 😀"), "\"数学 ü 😀\"");
  EXPECT_EQ(as_json("a\"b\\c\n\t\x01"), R"("a\"b\\c\n\t\u0001")");
}

TEST(json_string, ReplacesEachMaximalSubpartOnce) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(as_json("\xC0\xAF"), "\"" + mark + mark + "\"") << "overlong";
  EXPECT_EQ(as_json("\xED\xA0\x80"), "\"" + mark + mark + mark + "\"") << "surrogate";
  EXPECT_EQ(as_json("\xF0\x9F\x98"), "\"" + mark + "\"") << "cut off";
  EXPECT_EQ(as_json("a\xE2\x82z"), "\"a" + mark + "z\"");
  EXPECT_EQ(as_json("\xF5\x80"), "\"" + mark + mark + "\"") << "above U+10FFFF";
}

TEST(json_string, RandomBytesAlwaysGiveValidJson) {
  std::mt19937 random(20240307);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (auto& byte : bytes)
      byte = static_cast<char>(random());
    EXPECT_TRUE(json::accept(as_json(bytes)));
  }
}

TEST(excerpt, NeverCutsACodePoint) {
  EXPECT_EQ(excerpt("aé", 2), "a");
  EXPECT_EQ(excerpt("aé", 3), "aé");
  EXPECT_EQ(excerpt("a\xFFz", 9), "a\xEF\xBF\xBDz");
}

TEST(reasoning_models, AreToldByTheirNames) {
  for (const auto* name : {"o1", "o1-mini", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5-nano", "gpt-5.1",
                           "openai/o3", "gpt-6.2-sol", "gpt-10"})
    EXPECT_TRUE(is_reasoning_model(name)) << name;
  for (const auto* name : {"gpt-4o", "gpt-4.1", "gpt-3.5-turbo", "gpt-5-chat-latest", "claude-3-haiku", "o",
                           "", "gpt-", "olmo", "o1x", "qwen2.5-3b-instruct", "gpt-4", "gpt-oss-120b"})
    EXPECT_FALSE(is_reasoning_model(name)) << name;
}

TEST(cut_at_stop, CutsAtTheEarliestStop) {
  EXPECT_EQ(cut_at_stop("one\n\ntwo```", {"```", "\n\n"}), "one");
  EXPECT_EQ(cut_at_stop("one", {"", "x"}), "one");
}

} // namespace
} // namespace assay::codecs
