#include "core/codecs/answer_key.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace assay::codecs {
namespace {

/// A question that owns what it is made of.
struct owned {
  wire_protocol protocol = wire_protocol::openai_chat;
  std::string base_url = "https://api.example.com/v1";
  std::string wire_model = "model-1";
  std::vector<chat_message> messages{{chat_role::system, shared_text{"be brief"}},
                                     {chat_role::user, shared_text{"2+2?"}}};
  message_extras extras;
  sampling parameters;
  answer_options options;
  bool with_options = false;
  uint32_t repetition = 0;

  std::string key() const {
    auto all = messages;
    if (!(extras == message_extras{}))
      all.back().extras = std::make_shared<const message_extras>(extras);
    return answer_key(
        {protocol, base_url, wire_model, all, &parameters, with_options ? &options : nullptr, repetition});
  }
};

using change = std::function<void(owned&)>;

change option(std::function<void(answer_options&)> set) {
  return [set = std::move(set)](owned& q) {
    q.with_options = true;
    set(q.options);
  };
}

tool_definition tool(std::string name) { return {std::move(name), {}, {}, {}}; }

/// One entry for everything that may change an answer.
std::map<std::string, change> changes() {
  return {
      {"protocol", [](owned& q) { q.protocol = wire_protocol::anthropic; }},
      {"base_url", [](owned& q) { q.base_url = "https://api.example.com/v2"; }},
      {"wire_model", [](owned& q) { q.wire_model = "model-2"; }},
      {"repetition", [](owned& q) { q.repetition = 1; }},
      {"another repetition", [](owned& q) { q.repetition = 2; }},
      {"role", [](owned& q) { q.messages[0].role = chat_role::user; }},
      {"content", [](owned& q) { q.messages[1].content = shared_text{"2+3?"}; }},
      {"fewer messages", [](owned& q) { q.messages.erase(q.messages.begin()); }},
      {"order", [](owned& q) { std::swap(q.messages[0], q.messages[1]); }},
      {"where a message ends",
       [](owned& q) {
         q.messages[0].content = shared_text{"be brief2"};
         q.messages[1].content = shared_text{"+2?"};
       }},
      {"name", [](owned& q) { q.extras.name = "ann"; }},
      {"tool_call_id", [](owned& q) { q.extras.tool_call_id = "ann"; }},
      {"image url",
       [](owned& q) {
         q.extras.images = {{"https://a/b.png", {}, {}, {}}};
       }},
      {"image bytes", [](owned& q) { q.extras.images.emplace_back().base64 = shared_text{"iVBO"}; }},
      {"image type",
       [](owned& q) {
         auto& image = q.extras.images.emplace_back();
         image.base64 = shared_text{"iVBO"};
         image.media_type = "image/png";
       }},
      {"raw response", option([](answer_options& o) { o.raw_response = true; })},
      {"image after text",
       [](owned& q) {
         q.extras.images = {{"https://a/b.png", {}, {}, {}}};
         q.extras.images[0].text_before = 2;
       }},
      {"image detail",
       [](owned& q) {
         q.extras.images = {{"https://a/b.png", {}, {}, "low"}};
       }},
      {"tool call",
       [](owned& q) {
         q.extras.tool_calls = {{"1", "f", "{}", {}}};
       }},
      {"tool call's id",
       [](owned& q) {
         q.extras.tool_calls = {{"2", "f", "{}", {}}};
       }},
      {"tool call's name",
       [](owned& q) {
         q.extras.tool_calls = {{"1", "g", "{}", {}}};
       }},
      {"tool call's arguments",
       [](owned& q) {
         q.extras.tool_calls = {{"1", "f", "{\"a\":1}", {}}};
       }},
      {"tool call's signature",
       [](owned& q) {
         q.extras.tool_calls = {{"1", "f", "{}", "sig"}};
       }},
      {"temperature", [](owned& q) { q.parameters.temperature = 0.0; }},
      {"another temperature", [](owned& q) { q.parameters.temperature = 0.7; }},
      {"top_p", [](owned& q) { q.parameters.top_p = 0.7; }},
      {"frequency_penalty", [](owned& q) { q.parameters.frequency_penalty = 0.7; }},
      {"presence_penalty", [](owned& q) { q.parameters.presence_penalty = 0.7; }},
      {"max_tokens", [](owned& q) { q.parameters.max_tokens = 7; }},
      {"seed", [](owned& q) { q.parameters.seed = 7; }},
      {"negative seed", [](owned& q) { q.parameters.seed = -7; }},
      {"stop", [](owned& q) { q.parameters.stop = {"ab"}; }},
      {"stops",
       [](owned& q) {
         q.parameters.stop = {"a", "b"};
       }},
      {"top_k", option([](auto& o) { o.top_k = 7; })},
      {"choices", option([](auto& o) { o.choices = 7; })},
      {"logprobs", option([](auto& o) { o.logprobs = true; })},
      {"top_logprobs", option([](auto& o) { o.top_logprobs = 7; })},
      {"form", option([](auto& o) { o.form = answer_form::json_object; })},
      {"schema_name", option([](auto& o) { o.schema_name = "ab"; })},
      {"schema_json", option([](auto& o) { o.schema_json = "ab"; })},
      {"schema_strict", option([](auto& o) { o.schema_strict = true; })},
      {"schema not strict", option([](auto& o) { o.schema_strict = false; })},
      {"tool", option([](auto& o) { o.tools = {tool("ab")}; })},
      {"tools", option([](auto& o) {
         o.tools = {tool("a"), tool("b")};
       })},
      {"tool's description", option([](auto& o) {
         o.tools = {tool("ab")};
         o.tools[0].description = "ab";
       })},
      {"tool's parameters", option([](auto& o) {
         o.tools = {tool("ab")};
         o.tools[0].parameters_json = "ab";
       })},
      {"tool's strictness", option([](auto& o) {
         o.tools = {tool("ab")};
         o.tools[0].strict = true;
       })},
      {"tool_choice", option([](auto& o) { o.tool_choice = "ab"; })},
      {"parallel_tool_calls", option([](auto& o) { o.parallel_tool_calls = true; })},
      {"reasoning_effort", option([](auto& o) { o.reasoning_effort = "ab"; })},
      {"safety_settings", option([](auto& o) { o.safety_settings_json = "ab"; })},
      {"extra_json", option([](auto& o) { o.extra_json = "ab"; })},
  };
}

TEST(answer_key, EveryPartOfAQuestionChangesIt) {
  std::map<std::string, std::string> seen{{owned{}.key(), "nothing"}};
  for (const auto& [name, apply] : changes()) {
    owned question;
    apply(question);
    const auto [place, fresh] = seen.emplace(question.key(), name);
    EXPECT_TRUE(fresh) << name << " gives the same key as " << place->second;
  }
}

TEST(answer_key, IsTheSameForTheSameQuestion) {
  for (const auto& [name, apply] : changes()) {
    owned first;
    owned second;
    apply(first);
    apply(second);
    EXPECT_EQ(first.key(), second.key()) << name;
  }
}

TEST(answer_key, DoesNotDependOnWhatChangesNoAnswer) {
  owned plain;
  owned with_user;
  with_user.with_options = true;
  with_user.options.user = "somebody";
  EXPECT_EQ(plain.key(), with_user.key()) << "options at their defaults ask for nothing";
  owned minus_zero;
  owned zero;
  minus_zero.parameters.temperature = -0.0;
  zero.parameters.temperature = 0.0;
  EXPECT_EQ(minus_zero.key(), zero.key());
}

TEST(answer_key, OfTextsWhoseVectorsAreWanted) {
  const auto key = [](const std::vector<std::string>& inputs, std::optional<uint32_t> dimensions = {}) {
    answer_question question;
    question.wire_model = "m";
    question.inputs = inputs;
    question.dimensions = dimensions;
    return answer_key(question);
  };
  EXPECT_EQ(key({"a", "b"}), key({"a", "b"}));
  const std::set<std::string> all{key({}),         key({"a"}),  key({"a", "b"}),
                                  key({"b", "a"}), key({"ab"}), key({"a"}, 2U)};
  EXPECT_EQ(all.size(), 6U);
}

TEST(answer_key, EmptyExtrasAreNone) {
  owned plain;
  auto messages = plain.messages;
  messages.back().extras = std::make_shared<const message_extras>();
  EXPECT_EQ(
      answer_key({plain.protocol, plain.base_url, plain.wire_model, messages, &plain.parameters, nullptr, 0}),
      plain.key());
}

std::string hex(const std::string& bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

/// What a store keeps must be found again by every later version.
TEST(answer_key, StaysWhatItIs) {
  const auto key = owned{}.key();
  ASSERT_EQ(key.size(), answer_key_size);
  EXPECT_EQ(key.front(), answer_key_version);
  EXPECT_EQ(hex(key), "31805ca8e34bb870bb159ac4bb39143821e156f79749bf88780353463a20c6f196");
  owned full;
  // The others change two messages; and these were added since.
  const std::set<std::string> left_out{"fewer messages", "raw response", "image after text"};
  for (const auto& [name, apply] : changes())
    if (!left_out.contains(name))
      apply(full);
  EXPECT_EQ(hex(full.key()), "3177dde7f05dbc764dd073c120c6c3ed067e0ec470df1e7d451a905ed890611af1");
}

} // namespace
} // namespace assay::codecs
