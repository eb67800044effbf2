#include "core/llm/llm_reply.hpp"
#include "core/llm/llm_request.hpp"
#include "core/llm/prompt_template.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::llm {
namespace {

using nlohmann::json;

llm_question read(const char* text) {
  auto out = read_llm_request(json::parse(text));
  if (!out) {
    ADD_FAILURE() << to_string(out.error());
    return {};
  }
  return std::move(*out);
}

TEST(llm_request, HasTheValuesThatItsClientsRelyOn) {
  const auto out = read(R"({"prompt": "hi"})");
  EXPECT_EQ(out.chat.model, "gpt-3.5-turbo");
  EXPECT_EQ(out.chat.parameters.temperature, 0.7);
  EXPECT_EQ(out.chat.parameters.max_tokens, 256u);
  EXPECT_EQ(out.timeout, seconds{60});
  ASSERT_EQ(out.chat.messages.size(), 1u);
  EXPECT_EQ(out.chat.messages[0].content.view(), "hi");
}

TEST(llm_request, AsksForTheProvidersOwnBodyButNotOfAStream) {
  const auto out = read(R"({"prompt": "hi", "raw_response": true})");
  ASSERT_TRUE(out.chat.options);
  EXPECT_TRUE(out.chat.options->raw_response);
  EXPECT_FALSE(read(R"({"prompt": "hi", "raw_response": false})").chat.options);
  const auto streamed =
      read_llm_request(json::parse(R"({"prompt": "hi", "raw_response": true, "stream": true})"));
  ASSERT_FALSE(streamed);
  EXPECT_EQ(streamed.error().where, "raw_response");
  const auto batch = read_llm_batch(
      json::parse(R"({"items": [{}], "prompt_template": "hi", "llm_params": {"raw_response": true}})"));
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().where, "raw_response");
  EXPECT_EQ(batch.error().code, errc::unsupported);
}

TEST(llm_reply, ShowsTheProvidersOwnBody) {
  answer_extras extras;
  extras.raw_response = R"({"id": "x", "choices": []})";
  model_answer answer;
  answer.extras = &extras;
  EXPECT_EQ(llm_answer(answer, {})["raw_response"], json::parse(extras.raw_response));
  extras.raw_response = "no JSON";
  EXPECT_EQ(llm_answer(answer, {})["raw_response"], "no JSON");
  extras.raw_response.clear();
  EXPECT_FALSE(llm_answer(answer, {}).contains("raw_response"));
}

TEST(llm_request, TakesBothNamesAndBothForms) {
  for (
      const auto* text :
      {R"({"prompt": "hi", "model": "m", "provider": "p", "system_message": "s", "max_tokens": 9, "stop_sequences": ["x"], "timeout": 2.5})",
       R"({"prompt": "hi", "llm_params": {"model": "m", "provider": "p", "system_prompt": "s", "max_tokens": 9, "stop": "x", "timeout": 2.5}, "request_id": "r"})",
       R"({"prompt": "hi", "max_tokens": 9, "llm_params": {"model": "m", "provider": "p", "system_prompt": "s", "max_tokens": 1, "stop": "x", "timeout": 2.5}})"}) {
    const auto out = read(text);
    EXPECT_EQ(out.chat.model, "p/m") << text;
    EXPECT_EQ(out.provider, "p");
    EXPECT_EQ(out.chat.parameters.max_tokens, 9u) << "the top wins";
    EXPECT_EQ(out.chat.parameters.stop, std::vector<std::string>{"x"});
    EXPECT_EQ(out.timeout, milliseconds{2500});
    ASSERT_EQ(out.chat.messages.size(), 2u);
    EXPECT_EQ(out.chat.messages[0].role, chat_role::system);
  }
  EXPECT_EQ(read(R"({"prompt": "x", "model": "p/m", "provider": "p"})").chat.model, "p/m");
}

TEST(llm_request, TakesMessagesAndPictures) {
  const auto out = read(
      R"({"messages": [{"role": "user", "content": "what?"}], "images": ["https://x/y.png", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"]})");
  ASSERT_EQ(out.chat.messages.size(), 1u);
  ASSERT_TRUE(out.chat.messages[0].extras);
  EXPECT_EQ(out.chat.messages[0].extras->images.size(), 2u);
  EXPECT_EQ(out.chat.messages[0].extras->images[1].media_type, "image/png");
}

TEST(llm_request, RefusesWhatMakesNoSense) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({})", "prompt"},
      {R"({"prompt": "x", "system_message": "a", "system_prompt": "b"})", "system_prompt"},
      {R"({"prompt": "x", "temprature": 1})", "temprature"},
      {R"({"prompt": "x", "timeout": 0})", "timeout"},
      {R"({"prompt": "x", "cache": "maybe"})", "cache"},
      {R"({"prompt": "x", "images": ["nonsense"]})", "images[0]"}};
  for (const auto& [text, where] : rows) {
    const auto out = read_llm_request(json::parse(text));
    ASSERT_FALSE(out) << text;
    EXPECT_EQ(out.error().where, where);
  }
}

TEST(llm_batch_request, HasItemsAndATemplate) {
  auto out = read_llm_batch(json::parse(
      R"({"items": [{"a": 1}], "prompt_template": "{a}", "system_prompt": "s", "provider": "p", "model": "m"})"));
  ASSERT_TRUE(out) << to_string(out.error());
  EXPECT_EQ(out->max_concurrent_requests, 5u);
  EXPECT_EQ(out->common.chat.model, "p/m");
  EXPECT_EQ(out->system_prompt, "s");
  EXPECT_EQ(out->mode, execution_wish::online);
  EXPECT_FALSE(out->wait);
  for (const auto* text : {R"({"items": [], "prompt_template": "x"})", R"({"prompt_template": "x"})",
                           R"({"items": [1]})", R"({"items": [1], "prompt_template": "x", "stream": true})"})
    EXPECT_FALSE(read_llm_batch(json::parse(text))) << text;
}

TEST(llm_batch_request, SaysHowItIsRun) {
  const auto out = read_llm_batch({{"items", {{{"a", 1}}}},
                                   {"prompt_template", "{a}"},
                                   {"mode", "auto"},
                                   {"wait", false},
                                   {"batch_size", 9},
                                   {"output_dir", "here"},
                                   {"max_cost", 0.5}});
  ASSERT_TRUE(out) << to_string(out.error());
  EXPECT_EQ(out->mode, execution_wish::automatic);
  EXPECT_EQ(out->wait, false);
  EXPECT_EQ(out->batch_size, 9u);
  EXPECT_EQ(out->output_dir, "here");
  EXPECT_EQ(out->max_cost, from_dollars(0.5));
}

TEST(llm_batch_request, NamesWhatARunCannotCarry) {
  for (const auto* field : {"tools", "images", "response_format", "top_k", "pre_process", "post_process"}) {
    const auto out = read_llm_batch({{"items", {{{"a", 1}}}}, {"prompt_template", "{a}"}, {field, "x"}});
    ASSERT_FALSE(out) << field;
    EXPECT_EQ(out.error().code, errc::unsupported);
    EXPECT_EQ(out.error().where, field);
  }
}

TEST(llm_batch_request, TakesAHundredThousandItems) {
  json body{{"prompt_template", "{a}"}};
  for (int i = 0; i < 100'000; ++i)
    body["items"].push_back({{"a", i}});
  EXPECT_TRUE(read_llm_batch(body));
}

TEST(llm_batch_request, ATemplateThatFitsNoItemIsRefusedAsAWhole) {
  const json body{{"items", {{{"n", 1}}}}, {"prompt_template", "What is {n"}, {"model", "m"}};
  const auto wrong = read_llm_batch(body);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, errc::invalid_argument);
  EXPECT_EQ(wrong.error().where, "prompt_template");
  EXPECT_TRUE(check_prompt("{n} and {{x}} }"));
}

TEST(prompt_template, FillsFieldsAndKeepsBraces) {
  const json item{{"name", "Ann"}, {"age", 7}, {"tags", {"a", "b"}}};
  EXPECT_EQ(*fill_prompt("{name} is {age}: {tags}", item), "Ann is 7: [\"a\",\"b\"]");
  EXPECT_EQ(*fill_prompt("{{\"x\": {age}}}", item), "{\"x\": 7}");
  for (const auto* text : {"{nobody}", "{name", "{}"})
    EXPECT_EQ(fill_prompt(text, item).error().code, errc::template_failed) << text;
  EXPECT_FALSE(fill_prompt("{x}", json("no object")));
}

TEST(other_llm_requests, NameTheirModel) {
  EXPECT_EQ(read_llm_embeddings({{"model", "e"}, {"provider", "p"}, {"texts", {"a"}}})->model, "p/e");
  EXPECT_EQ(read_llm_count({{"model", "m"}, {"text", "abc"}})->messages.size(), 1u);
  EXPECT_FALSE(read_llm_embeddings({{"model", "e"}}));
  const auto twice = read_llm_embeddings({{"model", "e"}, {"texts", {"a"}}, {"text", "b"}});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().where, "text");
  EXPECT_FALSE(read_llm_count({{"model", "m"}}));
}

TEST(llm_answer, HasBothSetsOfNames) {
  model_answer answer;
  answer.text = "hi";
  answer.finish = finish_reason::stop;
  answer.usage = {3, 2, 0, 0};
  answer_facts facts;
  facts.provider = "p";
  facts.model = "m";
  facts.cost = money{2'000'000'000};
  const auto out = llm_answer(answer, facts);
  EXPECT_EQ(out["result"], "hi");
  EXPECT_EQ(out["text"], "hi");
  EXPECT_EQ(out["tokens_used"], 5);
  EXPECT_EQ(out["token_breakdown"]["prompt_tokens"], 3);
  EXPECT_EQ(out["usage"]["cost"], 2.0);
  EXPECT_EQ(out["cost"], 2.0);
  EXPECT_EQ(out["provider"], "p");
  EXPECT_EQ(out["model"], "m");
  EXPECT_EQ(out["warnings"], nullptr);
  facts.cost.reset();
  const auto unpriced = llm_answer(answer, facts);
  EXPECT_EQ(unpriced["cost"], nullptr);
  EXPECT_EQ(unpriced["warnings"].size(), 1u);
}

} // namespace
} // namespace assay::llm
