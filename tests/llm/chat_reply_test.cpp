#include "core/llm/chat_reply.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::llm {
namespace {

using nlohmann::json;

const reply_head head{"chatcmpl-1", "asked", 1'700'000'000};

/// The events of a stream; the last one must be the mark of its end.
std::vector<json> events(std::string_view text, bool ends = true) {
  std::vector<json> out;
  bool done = false;
  while (!text.empty()) {
    const auto end = text.find("\n\n");
    EXPECT_NE(end, std::string_view::npos);
    const auto event = text.substr(0, end);
    text.remove_prefix(end + 2);
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    EXPECT_FALSE(done) << "nothing comes after the end";
    if (event == "data: [DONE]")
      done = true;
    else
      out.push_back(json::parse(event.substr(6)));
  }
  EXPECT_EQ(done, ends);
  return out;
}

TEST(chat_completion, SaysWhatTheModelSaid) {
  model_answer answer;
  answer.text = "a \"quote\"\n";
  answer.finish = finish_reason::length;
  answer.usage = {10, 5, 2, 1};
  answer.served_model = "m-2026";
  EXPECT_EQ(json::parse(chat_completion(head, answer)), json::parse(R"({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a \"quote\"\n", "refusal": null},
                 "logprobs": null, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
              "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}}
  })"));
}

TEST(chat_completion, HasWhatFewAnswersHave) {
  answer_extras extras;
  extras.reasoning = "hm";
  extras.tool_calls = {{"c1", "f", "{}"}};
  extras.more_choices = {shared_text("two")};
  extras.logprobs_json = R"({"content":[]})";
  model_answer answer;
  answer.extras = &extras;
  answer.finish = finish_reason::tool_calls;
  const auto out = json::parse(chat_completion(head, answer));
  EXPECT_EQ(out["model"], "asked") << "nobody said who it was";
  const auto& first = out["choices"][0];
  EXPECT_EQ(first["message"]["content"], nullptr);
  EXPECT_EQ(first["message"]["reasoning_content"], "hm");
  EXPECT_EQ(first["message"]["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ(first["logprobs"]["content"], json::array());
  EXPECT_EQ(first["finish_reason"], "tool_calls");
  EXPECT_EQ(out["choices"][1]["index"], 1);
  EXPECT_EQ(out["choices"][1]["message"]["content"], "two");

  answer_extras refused;
  refused.refused = true;
  answer.text = "no";
  answer.extras = &refused;
  const auto refusal = json::parse(chat_completion(head, answer))["choices"][0]["message"];
  EXPECT_EQ(refusal["content"], nullptr);
  EXPECT_EQ(refusal["refusal"], "no");
}

TEST(chat_chunks, ComeInOrderAndEndWithUsage) {
  chunk_writer writer(head, true, 1);
  std::string text = writer.piece({0, "Hel", {}, {}});
  text += writer.piece({0, "lo", "because", {}});
  text += writer.piece({0, {}, {}, {{0, "c1", "f", "{\"a\"", {}}}});
  text += writer.piece({0, {}, {}, {}});
  model_answer answer;
  answer.text = "Hello";
  answer.finish = finish_reason::stop;
  answer.usage = {3, 4, 0, 0};
  text += writer.end(answer);
  const auto all = events(text);
  ASSERT_EQ(all.size(), 6u);
  for (const auto& one : all) {
    EXPECT_EQ(one["id"], "chatcmpl-1");
    EXPECT_EQ(one["object"], "chat.completion.chunk");
    EXPECT_TRUE(one.contains("usage"));
  }
  EXPECT_EQ(all[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(all[1]["choices"][0]["delta"], (json{{"content", "Hel"}}));
  EXPECT_EQ(all[2]["choices"][0]["delta"], (json{{"content", "lo"}, {"reasoning_content", "because"}}));
  EXPECT_EQ(all[3]["choices"][0]["delta"]["tool_calls"][0]["id"], "c1");
  EXPECT_EQ(all[3]["choices"][0]["finish_reason"], nullptr);
  EXPECT_EQ(all[4]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(all[4]["usage"], nullptr);
  EXPECT_EQ(all[5]["choices"], json::array());
  EXPECT_EQ(all[5]["usage"]["total_tokens"], 7);
}

TEST(chat_chunks, SayNothingOfUsageUnlessAsked) {
  chunk_writer writer(head, false, 1);
  auto text = writer.piece({0, "x", {}, {}});
  text += writer.end({});
  const auto all = events(text);
  ASSERT_EQ(all.size(), 3u);
  for (const auto& one : all)
    EXPECT_FALSE(one.contains("usage"));
}

TEST(chat_chunks, GiveAnAnswerWholeThatCameWithoutPieces) {
  chunk_writer writer(head, false, 1);
  model_answer answer;
  answer.text = "all at once";
  const auto all = events(writer.end(answer));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1]["choices"][0]["delta"]["content"], "all at once");
}

TEST(chat_chunks, EndEveryChoice) {
  chunk_writer writer(head, false, 2);
  auto text = writer.piece({0, "a", {}, {}});
  text += writer.piece({1, "b", {}, {}});
  text += writer.end({});
  const auto all = events(text);
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[4]["choices"][0]["index"], 0);
  EXPECT_EQ(all[5]["choices"][0]["index"], 1);
  EXPECT_TRUE(writer.piece({1'000'000, "far away", {}, {}}).empty());
}

TEST(chat_chunks, EndWithAnErrorWithoutTheMark) {
  const auto all = events(chunk_writer::failure(R"({"error":{"message":"m"}})"), false);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["error"]["message"], "m");
}

} // namespace
} // namespace assay::llm
