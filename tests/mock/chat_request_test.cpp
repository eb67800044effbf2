#include "mock/openai_api.hpp"

#include <gtest/gtest.h>

namespace assay::mock {

namespace {

std::string with(std::string_view more) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string(more) + "}";
}

std::string complaint(std::string_view body) {
  const auto request = read_openai_chat(body);
  return request ? "accepted" : request.error().param + "/" + request.error().code;
}

} // namespace

TEST(mock_chat_request, ReadsEverythingItNeeds) {
  const auto request = read_openai_chat(R"({"model":"sim-weak","messages":[
    {"role":"system","content":"Be terse."},{"role":"user","content":"first"},{"role":"assistant","content":null},
    {"role":"user","content":[{"type":"text","text":"What is "},{"type":"image_url","image_url":{"url":"x"}},
      {"type":"text","text":"this?"}]}],
    "stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"max_completion_tokens":7,"n":2,
    "stop":["A","","B"],"temperature":0,"seed":3,"an_unknown_member":{"x":[1]}})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->model, "sim-weak");
  EXPECT_EQ(request->user_text, "What is this?");
  EXPECT_TRUE(request->stream);
  EXPECT_TRUE(request->include_usage);
  EXPECT_EQ(request->max_tokens, 7);
  EXPECT_EQ(request->choices, 2);
  EXPECT_EQ(request->stop, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(request->images, 1);
  EXPECT_EQ(request->prompt_tokens, 3 + (3 + 3) + (3 + 2) + 3 + (3 + 4) + tokens_per_image);
}

TEST(mock_chat_request, HashesTheWholeConversation) {
  const auto hash = [](std::string_view messages) {
    return read_openai_chat(R"({"model":"m","messages":)" + std::string(messages) + "}")->prompt_hash;
  };
  const auto base = hash(R"([{"role":"user","content":"a"},{"role":"user","content":"b"}])");
  EXPECT_EQ(
      base,
      hash(R"([{"content":"a","role":"user"}, {"role":"user","content":[{"type":"text","text":"b"}]}])"));
  EXPECT_NE(base, hash(R"([{"role":"user","content":"b"},{"role":"user","content":"a"}])"));
  EXPECT_NE(base, hash(R"([{"role":"system","content":"a"},{"role":"user","content":"b"}])"));
  EXPECT_NE(base, hash(R"([{"role":"user","content":"ab"}])"));
}

TEST(mock_chat_request, RefusesWhatTheProviderRefuses) {
  EXPECT_EQ(complaint(with("")), "accepted");
  EXPECT_EQ(complaint("{"), "/");
  EXPECT_EQ(complaint("[]"), "/");
  EXPECT_EQ(complaint(""), "/");
  EXPECT_EQ(complaint(R"({"messages":[]})"), "/");
  EXPECT_EQ(complaint(R"({"model":"m"})"), "messages/missing_required_parameter");
  EXPECT_EQ(complaint(R"({"model":"m","messages":[]})"), "messages/empty_array");
  EXPECT_EQ(complaint(R"({"model":"m","messages":"hi"})"), "messages/invalid_type");
  EXPECT_EQ(complaint(R"({"model":"m","messages":[{"role":"king","content":"x"}]})"),
            "messages[0].role/invalid_value");
  EXPECT_EQ(complaint(R"({"model":"m","messages":[{"role":"user","content":5}]})"),
            "messages[0].content/invalid_type");
  EXPECT_EQ(complaint(with(R"(,"temperature":3)")), "temperature/decimal_above_max_value");
  EXPECT_EQ(complaint(with(R"(,"temperature":"hot")")), "temperature/invalid_type");
  EXPECT_EQ(complaint(with(R"(,"max_tokens":0)")), "max_tokens/integer_below_min_value");
  EXPECT_EQ(complaint(with(R"(,"n":1000)")), "n/integer_above_max_value");
  EXPECT_EQ(complaint(with(R"(,"stream":"yes")")), "stream/invalid_type");
  EXPECT_EQ(complaint(with(R"(,"stream_options":{"include_usage":true})")), "stream_options/");
  EXPECT_EQ(complaint(with(R"(,"stop":["a","b","c","d","e"])")), "stop/array_above_max_length");
  EXPECT_EQ(complaint("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xFF\"}]}"), "/");
  EXPECT_EQ(complaint(std::string(100'000, '[')), "/");
}

TEST(token_estimate, CountsCjkByCharacterAndOthersByFour) {
  EXPECT_EQ(estimate_tokens(""), 0);
  EXPECT_EQ(estimate_tokens("abcd"), 1);
  EXPECT_EQ(estimate_tokens("abcde"), 2);
  EXPECT_EQ(estimate_tokens("\u4f60\u597d"), 2);
  EXPECT_EQ(estimate_tokens("\u4f60\u597d, ab"), 3);
  EXPECT_EQ(estimate_tokens("\u00e4\u00f6\u00fc\u00df"), 1);
  EXPECT_EQ(estimate_tokens("\xFF\xFE"), 1);
  EXPECT_EQ(bytes_of_tokens("abcdefgh", 1), 4);
  EXPECT_EQ(bytes_of_tokens("\u4f60\u597d", 1), 3);
  EXPECT_EQ(bytes_of_tokens("ab", 9), 2);
  EXPECT_EQ(bytes_of_tokens("\xE4\xBD", 1), 2);
}

} // namespace assay::mock
