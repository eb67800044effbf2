#include "core/llm/chat_request.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::llm {
namespace {

using nlohmann::json;

constexpr const char* png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB";

/// A request for one message, with @p more members.
json body(const json& more = json::object()) {
  json out{{"model", "m"}, {"messages", {{{"role", "user"}, {"content", "hi"}}}}};
  out.update(more);
  return out;
}

chat_question read(const json& from) {
  auto out = read_chat_request(from);
  if (!out) {
    ADD_FAILURE() << to_string(out.error());
    return {};
  }
  return std::move(*out);
}

TEST(chat_request, ReadsWhatEveryRequestHas) {
  const auto out = read(json::parse(R"({
    "model": "openai/gpt-4o",
    "messages": [
      {"role": "developer", "content": "be short"},
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "ann"},
      {"role": "assistant", "content": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "42"}],
    "temperature": 0.5, "top_p": 1, "frequency_penalty": -1, "presence_penalty": 2, "seed": 7,
    "max_completion_tokens": 30, "stop": ["x", "y"], "stream": true, "stream_options": {"include_usage": true}
  })"));
  EXPECT_EQ(out.model, "openai/gpt-4o");
  ASSERT_EQ(out.messages.size(), 4u);
  EXPECT_EQ(out.messages[0].role, chat_role::system);
  EXPECT_EQ(out.messages[1].content.view(), "a\nb");
  EXPECT_EQ(out.messages[1].extras->name, "ann");
  EXPECT_EQ(out.messages[2].extras->tool_calls.at(0), (tool_call{"c1", "f", "{\"x\":1}"}));
  EXPECT_EQ(out.messages[3].extras->tool_call_id, "c1");
  EXPECT_EQ(out.parameters.temperature, 0.5);
  EXPECT_EQ(out.parameters.seed, 7);
  EXPECT_EQ(out.parameters.max_tokens, 30u);
  EXPECT_EQ(out.parameters.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(out.stream);
  EXPECT_TRUE(out.include_usage);
  EXPECT_EQ(out.options, nullptr) << "nothing rare was asked for";
}

TEST(chat_request, ReadsWhatIsRare) {
  const auto out = read(body(json::parse(R"({
    "n": 3, "logprobs": true, "top_logprobs": 2, "top_k": 5, "reasoning_effort": "low", "user": "u1",
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": true, "schema": {"type": "object"}}},
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false, "stop": "end"
  })")));
  ASSERT_NE(out.options, nullptr);
  const auto& options = *out.options;
  EXPECT_EQ(options.choices, 3u);
  EXPECT_TRUE(options.logprobs);
  EXPECT_EQ(options.top_logprobs, 2u);
  EXPECT_EQ(options.top_k, 5u);
  EXPECT_EQ(options.reasoning_effort, "low");
  EXPECT_EQ(options.user, "u1");
  EXPECT_EQ(options.form, answer_form::json_schema);
  EXPECT_EQ(options.schema_name, "s");
  EXPECT_EQ(options.schema_json, R"({"type":"object"})");
  EXPECT_EQ(options.schema_strict, true);
  ASSERT_EQ(options.tools.size(), 1u);
  EXPECT_EQ(options.tools[0].name, "f");
  EXPECT_EQ(options.tools[0].parameters_json, R"({"type":"object"})");
  EXPECT_EQ(options.tool_choice, "f");
  EXPECT_EQ(options.parallel_tool_calls, false);
  EXPECT_TRUE(options.extra_json.empty());
  EXPECT_EQ(out.parameters.stop, std::vector<std::string>{"end"});
}

TEST(chat_request, KeepsMembersThatItDoesNotKnow) {
  const auto out =
      read(body({{"logit_bias", {{"5", -100}}}, {"metadata", nullptr}, {"service_tier", "flex"}}));
  ASSERT_NE(out.options, nullptr);
  EXPECT_EQ(json::parse(out.options->extra_json),
            (json{{"logit_bias", {{"5", -100}}}, {"service_tier", "flex"}}));
}

TEST(chat_request, TakesPicturesAsAddressesAndAsBytes) {
  const auto out = read(json{
      {"model", "m"},
      {"messages",
       {{{"role", "user"},
         {"content",
          {{{"type", "image_url"}, {"image_url", {{"url", "https://example.org/a.png"}, {"detail", "low"}}}},
           {{"type", "image_url"}, {"image_url", {{"url", std::string("data:image/jpeg;base64,") + png}}}},
           {{"type", "text"}, {"text", "what is it?"}}}}}}}});
  ASSERT_TRUE(out.messages.at(0).extras);
  const auto& images = out.messages[0].extras->images;
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].url, "https://example.org/a.png");
  EXPECT_EQ(images[0].detail, "low");
  EXPECT_EQ(images[1].base64.view(), png);
  EXPECT_EQ(images[1].media_type, "image/png") << "by its bytes, not by its label";
}

TEST(chat_request, KeepsTheOrderOfTextsAndPictures) {
  const json shown{{"type", "image_url"}, {"image_url", "https://example.org/a.png"}};
  const auto said = [](const char* text) { return json{{"type", "text"}, {"text", text}}; };
  const auto out = read(json{
      {"model", "m"},
      {"messages",
       {{{"role", "user"}, {"content", {said("one"), said("more"), shown, shown, said("two"), shown}}}}}});
  ASSERT_EQ(out.messages.size(), 1u);
  EXPECT_EQ(out.messages[0].content.view(), "one\nmoretwo");
  std::vector<std::string> order;
  for (const auto& part : parts_of(out.messages[0]))
    order.push_back(part.image ? "picture " + std::to_string(*part.image) : std::string(part.text));
  EXPECT_EQ(order, (std::vector<std::string>{"one\nmore", "picture 0", "picture 1", "two", "picture 2"}));
}

struct refusal {
  const char* members;
  const char* where;
  errc code = errc::invalid_argument;
};

class refused_chat_request : public ::testing::TestWithParam<refusal> {};

TEST_P(refused_chat_request, NamesTheField) {
  const auto out = read_chat_request(body(json::parse(GetParam().members)));
  ASSERT_FALSE(out) << GetParam().members;
  EXPECT_EQ(out.error().where, GetParam().where);
  EXPECT_EQ(out.error().code, GetParam().code);
  EXPECT_FALSE(out.error().message.empty());
}

INSTANTIATE_TEST_SUITE_P(
    all, refused_chat_request,
    ::testing::Values(
        refusal{R"({"model": ""})", "model"}, refusal{R"({"model": 5})", "model"},
        refusal{R"({"messages": []})", "messages"}, refusal{R"({"messages": {}})", "messages"},
        refusal{R"({"messages": [1]})", "messages[0]"},
        refusal{R"({"messages": [{"content": "x"}]})", "messages[0].role"},
        refusal{R"({"messages": [{"role": "king", "content": "x"}]})", "messages[0].role"},
        refusal{R"({"messages": [{"role": "user"}]})", "messages[0].content"},
        refusal{R"({"messages": [{"role": "user", "content": 1}]})", "messages[0].content"},
        refusal{R"({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]})",
                "messages[0].content[0].type", errc::unsupported},
        refusal{
            R"({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc"}}]}]})",
            "messages[0].content[0].image_url.url"},
        refusal{R"({"messages": [{"role": "tool", "content": "x"}]})", "messages[0].tool_call_id"},
        refusal{R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]})",
                "messages[0].tool_calls[0].function"},
        refusal{R"({"temperature": 3})", "temperature"}, refusal{R"({"temperature": "hot"})", "temperature"},
        refusal{R"({"max_tokens": 0})", "max_tokens"}, refusal{R"({"max_tokens": 1.5})", "max_tokens"},
        refusal{R"({"max_tokens": 5, "max_completion_tokens": 6})", "max_tokens"},
        refusal{R"({"n": 0})", "n"}, refusal{R"({"n": 1e9})", "n"}, refusal{R"({"seed": 1.5})", "seed"},
        refusal{R"({"stop": [1]})", "stop[0]"}, refusal{R"({"stream": "yes"})", "stream"},
        refusal{R"({"stream_options": {}})", "stream_options"},
        refusal{R"({"stream": true, "stream_options": {"include_usage": 1}})",
                "stream_options.include_usage"},
        refusal{R"({"top_logprobs": 3})", "top_logprobs"},
        refusal{R"({"response_format": {"type": "xml"}})", "response_format.type"},
        refusal{R"({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}})",
                "response_format.json_schema.schema"},
        refusal{R"({"tools": [{"type": "code_interpreter"}]})", "tools[0].type", errc::unsupported},
        refusal{R"({"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]})",
                "tools[0].function.parameters"},
        refusal{R"({"tool_choice": "always"})", "tool_choice"},
        refusal{R"({"tool_choice": {"type": "function"}})", "tool_choice.function"}));

TEST(chat_request, IsAnObject) {
  for (const auto* text : {"[]", "1", "null", "\"x\""})
    EXPECT_FALSE(read_chat_request(json::parse(text))) << text;
}

TEST(embedding_request, TakesOneTextOrMany) {
  auto one = read_embedding_request({{"model", "e"}, {"input", "a"}, {"encoding_format", "base64"}});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->texts, std::vector<std::string>{"a"});
  EXPECT_TRUE(one->as_base64);
  auto many = read_embedding_request({{"model", "e"}, {"input", {"a", "b"}}, {"dimensions", 8}});
  ASSERT_TRUE(many);
  EXPECT_EQ(many->texts.size(), 2u);
  EXPECT_EQ(many->dimensions, 8u);
  for (const auto* text : {R"({"model": "e"})", R"({"model": "e", "input": []})",
                           R"({"model": "e", "input": [[1, 2]]})", R"({"input": "a"})"})
    EXPECT_FALSE(read_embedding_request(json::parse(text))) << text;
}

} // namespace
} // namespace assay::llm
